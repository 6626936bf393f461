import type { Trouble } from "./failures";
import type { Place } from "../state/navigation.svelte";

/** What was begun on a page that the operator has left, and is over now: where it is looked at, and why it failed. */
export type Elsewhere = { place: Place; trouble: Trouble | null };

const ready: Partial<Record<Place["screen"], string>> = {
  plan: "The plan is ready.",
  run: "The run has begun.",
  seed: "The sandbox is ready.",
  overview: "The environment is ready.",
  edit: "The copy is ready.",
  desk: "The release is on the desk.",
};

/** What became of it, in a sentence. */
export function elsewhereWords({ place, trouble }: Elsewhere): string {
  return trouble === null ? (ready[place.screen] ?? "What you began is ready.") : trouble.what;
}
