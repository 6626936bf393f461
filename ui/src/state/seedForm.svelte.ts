import { SvelteMap } from "svelte/reactivity";
import type { ProfileSummary, SeedAnswers } from "../lib/bindings";
import { answersOf, heldOf, mistake, scaleMistake, type Held } from "../lib/seeds";

/** The form of a profile: what was typed, and what is wrong with it once somebody wanted to go on. */
export class SeedForm {
  readonly #held = new SvelteMap<string, Held>();
  #scale = $state<string | null>(null);
  #asked = $state(false);
  /** Well-known passwords may be tried on stored hashes; asked anew for each plan. */
  tryStored = $state(false);
  /** From scratch: rows that are not in the profile are deleted; asked anew for each plan. */
  reseed = $state(false);

  held(name: string): Held | undefined {
    return this.#held.get(name);
  }

  /** Takes over the profile as it is now: new inputs begin with their defaults. */
  fit(profile: ProfileSummary) {
    for (const input of profile.inputs) if (!this.#held.has(input.name)) this.#held.set(input.name, heldOf(input.kind));
    this.#scale ??= String(profile.scale?.default ?? 1);
  }

  change(name: string, part: Partial<Held>) {
    const held = this.#held.get(name);
    if (held !== undefined) this.#held.set(name, { ...held, ...part });
  }

  get scale(): string {
    return this.#scale ?? "1";
  }

  set scale(text: string) {
    this.#scale = text;
  }

  /** Mistakes are shown from the moment somebody wanted to go on. */
  mistakes(profile: ProfileSummary): Record<string, string> {
    return this.#asked ? this.#all(profile) : {};
  }

  #all(profile: ProfileSummary): Record<string, string> {
    const found: Record<string, string> = {};
    for (const input of profile.inputs) {
      const words = mistake(input, this.#held.get(input.name) ?? heldOf(input.kind));
      if (words !== null) found[input.name] = words;
    }
    if (profile.scale !== null) {
      const words = scaleMistake(this.scale, profile.scale.max);
      if (words !== null) found["scale"] = words;
    }
    return found;
  }

  /** The first input that is wrong; nothing: the answers can go. */
  check(profile: ProfileSummary): string | null {
    this.#asked = true;
    const wrong = this.#all(profile);
    return profile.inputs.find((input) => input.name in wrong)?.name ?? Object.keys(wrong)[0] ?? null;
  }

  answers(profile: ProfileSummary): SeedAnswers {
    return {
      ...answersOf(profile, Object.fromEntries(this.#held), this.scale),
      try_stored: this.tryStored,
      reseed: this.reseed,
    };
  }

  /** Handles of passwords are good for one plan. */
  spent(profile: ProfileSummary) {
    this.#asked = false;
    this.tryStored = false;
    this.reseed = false;
    for (const input of profile.inputs) if (input.kind.kind === "password") this.change(input.name, { handle: null });
  }
}

/** Forms by profile, so that coming back from a dry run finds what was typed. */
export class SeedForms {
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- forms tell of their changes themselves
  readonly #kept = new Map<string, SeedForm>();

  of(profile: string): SeedForm {
    const kept = this.#kept.get(profile) ?? new SeedForm();
    this.#kept.set(profile, kept);
    return kept;
  }
}
