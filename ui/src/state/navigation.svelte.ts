const panelNames = [
  "overview",
  "desk",
  "migrations",
  "drift",
  "seeds",
  "backups",
  "verification",
  "runs",
  "doctor",
  "edit",
] as const;
export type Panel = (typeof panelNames)[number];

/** Where the operator is. Written into the address, so that going back works. */
export type Place =
  | { screen: "start" }
  | { screen: "settings" }
  | { screen: Panel; environment: string }
  | { screen: "repair"; environment: string; migration: string }
  | { screen: "plan"; environment: string; plan: string }
  | { screen: "seed"; environment: string; profile: string }
  | { screen: "backup"; environment: string; backup: string }
  | { screen: "run" | "rows" | "undo"; environment: string; run: string };

const panels = new Set<string>(panelNames);

export function addressOf(place: Place): string {
  const part = encodeURIComponent;
  switch (place.screen) {
    case "start":
    case "settings":
      return `#/${place.screen}`;
    case "repair":
      return `#/environment/${part(place.environment)}/repair/${part(place.migration)}`;
    case "plan":
      return `#/environment/${part(place.environment)}/plan/${part(place.plan)}`;
    case "seed":
      return `#/environment/${part(place.environment)}/seed/${part(place.profile)}`;
    case "backup":
      return `#/environment/${part(place.environment)}/backup/${part(place.backup)}`;
    case "run":
    case "rows":
    case "undo":
      return `#/environment/${part(place.environment)}/${place.screen}/${part(place.run)}`;
    default:
      return `#/environment/${part(place.environment)}/${place.screen}`;
  }
}

export function placeOf(address: string): Place | null {
  const [first, environment, screen, subject] = address
    .replace(/^#\/?/, "")
    .split("/")
    .map((part) => decodeURIComponent(part));
  if (first === "start" || first === "settings") return { screen: first };
  if (first !== "environment" || environment === undefined || screen === undefined) return null;
  if (panels.has(screen)) return { screen: screen as Panel, environment };
  if (subject === undefined) return null;
  if (screen === "repair") return { screen, environment, migration: subject };
  if (screen === "plan") return { screen, environment, plan: subject };
  if (screen === "seed") return { screen, environment, profile: subject };
  if (screen === "backup") return { screen, environment, backup: subject };
  if (screen === "run" || screen === "rows" || screen === "undo") return { screen, environment, run: subject };
  return null;
}

/** Says whether the present place may be left now; otherwise it asks, and `go` leads on. */
export type Guard = (go: () => void) => boolean;

export class Navigation {
  #place = $state.raw<Place | null>(placeOf(location.hash));
  #guard: Guard | null = null;

  get place() {
    return this.#place;
  }

  /** The environment of the present place. */
  get environment(): string | null {
    return this.#place !== null && "environment" in this.#place ? this.#place.environment : null;
  }

  /** Where the operator is, or is on the way to. */
  get heading(): Place | null {
    return placeOf(location.hash);
  }

  /** Whether this is where the operator is, or is on the way to. */
  isAt(place: Place): boolean {
    const there = this.heading;
    return there !== null && addressOf(there) === addressOf(place);
  }

  go(place: Place) {
    const address = addressOf(place);
    if (location.hash === address) this.#place = place;
    else location.hash = address;
  }

  /** Something here would be lost by leaving; ends with what it answers. */
  guard(guard: Guard): () => void {
    this.#guard = guard;
    return () => {
      if (this.#guard === guard) this.#guard = null;
    };
  }

  start(): () => void {
    const follow = () => {
      const address = location.hash;
      const here = this.#place === null ? null : addressOf(this.#place);
      const go = () => {
        this.#guard = null;
        location.hash = address;
      };
      if (this.#guard !== null && here !== null && address !== here && !this.#guard(go)) {
        history.pushState(null, "", here);
        return;
      }
      this.#place = placeOf(address);
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }
}
