import { api } from "../lib/api";
import type { Freeze, Freezes } from "../lib/bindings";
import { Reading } from "./reading.svelte";

/** What is asked: to freeze, or to lift what holds for an environment. */
export type FreezeAsked = { kind: "freeze" | "lift"; environment: string };

const same = (one: Freeze | null, other: Freeze | null) =>
  one?.at === other?.at && one?.everywhere === other?.everywhere;

/** Where Drydock writes nothing, since when and why. */
export class Freezing {
  readonly reading = new Reading<Freezes>(() => api.freezes());
  #asked = $state.raw<FreezeAsked | null>(null);
  #changes = $state(0);

  get asked() {
    return this.#asked;
  }

  /** Grows each time something was frozen or lifted here. */
  get changes() {
    return this.#changes;
  }

  /** Nobody knows whether writes are frozen. */
  get isUnknown(): boolean {
    return this.reading.value === null;
  }

  /** The freeze that holds for an environment; the one of all comes first. */
  of(environment: string | null): Freeze | null {
    return this.reading.value?.everywhere ?? this.own(environment);
  }

  own(environment: string | null): Freeze | null {
    return this.reading.value?.environments.find((one) => one.environment_id === environment)?.freeze ?? null;
  }

  ask(kind: FreezeAsked["kind"], environment: string) {
    this.#asked = { kind, environment };
  }

  dismiss() {
    this.#asked = null;
  }

  async freeze(environment: string | null, why: string) {
    this.#settle(await api.freeze(environment, why));
  }

  async lift(environment: string | null, typedName: string | null) {
    this.#settle(await api.liftFreeze(environment, typedName));
  }

  /** Takes over what the release desk has just read; what it does not tell of the others is read again. */
  take(environment: string, frozen: Freeze | null) {
    const known = this.reading.value;
    if (known !== null && same(this.of(environment), frozen)) return;
    const others = known?.environments.filter((one) => one.environment_id !== environment) ?? [];
    this.reading.put(
      frozen?.everywhere === true
        ? { everywhere: frozen, environments: known?.environments ?? [] }
        : {
            everywhere: null,
            environments: frozen === null ? others : [...others, { environment_id: environment, freeze: frozen }],
          },
    );
    void this.reading.read();
  }

  #settle(freezes: Freezes) {
    this.reading.put(freezes);
    this.#asked = null;
    this.#changes += 1;
  }
}
