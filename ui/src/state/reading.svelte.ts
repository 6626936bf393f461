import { troubleOf, type Trouble } from "../lib/failures";

/** Something read from the shell: absent, being read, there, or there but old because reading it again failed. */
export class Reading<T> {
  readonly #source: () => Promise<T>;
  #value = $state.raw<T | null>(null);
  #trouble = $state.raw<Trouble | null>(null);
  #busy = $state(false);
  #since = $state(0);
  #newest = 0;

  constructor(source: () => Promise<T>) {
    this.#source = source;
  }

  get value() {
    return this.#value;
  }

  get trouble() {
    return this.#trouble;
  }

  get busy() {
    return this.#busy;
  }

  /** When the present read began, for saying how long it takes. */
  get since() {
    return this.#since;
  }

  /** Reads again. An older answer never replaces a newer one. */
  async read(): Promise<T | null> {
    const mine = ++this.#newest;
    this.#busy = true;
    this.#since = Date.now();
    try {
      const value = await this.#source();
      if (mine === this.#newest) {
        this.#value = value;
        this.#trouble = null;
      }
      return value;
    } catch (thrown) {
      if (mine === this.#newest) this.#trouble = troubleOf(thrown);
      return null;
    } finally {
      if (mine === this.#newest) this.#busy = false;
    }
  }

  /** Takes over a value that came with another answer. */
  put(value: T) {
    this.#newest += 1;
    this.#busy = false;
    this.#trouble = null;
    this.#value = value;
  }
}

/** Readings by name, so that a screen one comes back to shows its last value with its age at once. */
export class Readings {
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- the revision tells who has to look again
  readonly #kept = new Map<string, unknown>();
  #revision = $state(0);

  of<T>(name: string, source: () => Promise<T>): Reading<T> {
    void this.#revision;
    const kept = this.#kept.get(name) as Reading<T> | undefined;
    if (kept !== undefined) return kept;
    const made = new Reading(source);
    this.#kept.set(name, made);
    return made;
  }

  /** Forgets everything about an environment: its target has changed. */
  forget(prefix: string) {
    for (const name of [...this.#kept.keys()]) if (name.startsWith(prefix)) this.#kept.delete(name);
    this.#revision += 1;
  }
}
