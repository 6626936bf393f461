import { createContext } from "svelte";
import { api } from "../lib/api";
import type { NextStep } from "../lib/bindings";
import type { Elsewhere } from "../lib/elsewhere";
import { troubleOf, type Trouble } from "../lib/failures";
import { Clock } from "./clock.svelte";
import { Environments } from "./environments.svelte";
import { Freezing } from "./freezes.svelte";
import { Lines } from "./lines.svelte";
import { Questions } from "./questions.svelte";
import { addressOf, Navigation, type Place } from "./navigation.svelte";
import { Preferences } from "./preferences.svelte";
import { Readings } from "./reading.svelte";
import { SeedForms } from "./seedForm.svelte";

/** A question that stands in the way of a reading, with what to do once it is answered. */
export type Prompt = {
  kind: "vault" | "secret" | "ssh_secret" | "repin";
  environment: string | null;
  then: () => void;
};

/** Goes on to where the work led, if the operator still is where it was begun; says whether it went. */
export type Lead = (place: Place) => boolean;

/** Milliseconds that a sentence about something over stays; the page itself keeps what it is about. */
const SAID_FOR = 8000;

/** What the whole window shares. */
export class Console {
  readonly navigation = new Navigation();
  readonly environments = new Environments();
  readonly preferences = new Preferences();
  readonly readings = new Readings();
  readonly clock = new Clock();
  readonly lines = new Lines();
  readonly freezes = new Freezing();
  readonly questions = new Questions();
  readonly seedForms = new SeedForms();
  #prompt = $state.raw<Prompt | null>(null);
  #said = $state.raw<{ sentence: string; place: Place | null }>({ sentence: "", place: null });
  #silence: ReturnType<typeof setTimeout> | undefined;
  #trouble = $state.raw<Trouble | null>(null);
  #elsewhere = $state.raw<Elsewhere[]>([]);
  #taking: Promise<unknown> = Promise.resolve();

  get prompt() {
    return this.#prompt;
  }

  /** What was said last, as long as the operator is where it was said: elsewhere it would be about another page. */
  get said() {
    const { sentence, place } = this.#said;
    const here = this.navigation.place;
    return (place === null ? null : addressOf(place)) === (here === null ? null : addressOf(here)) ? sentence : "";
  }

  /** The failure of the last thing that was pressed. */
  get trouble() {
    return this.#trouble;
  }

  /** What ended on pages that the operator has left, oldest first. */
  get elsewhere() {
    return this.#elsewhere;
  }

  ask(prompt: Prompt) {
    this.#prompt = prompt;
  }

  answered() {
    const then = this.#prompt?.then;
    this.#prompt = null;
    then?.();
  }

  dismissPrompt() {
    this.#prompt = null;
  }

  /** Says something that is over, on the screen and to a screen reader. */
  say(sentence: string) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => (this.#said = { sentence: "", place: null }), SAID_FOR);
    this.#said = { sentence, place: this.navigation.heading };
  }

  dismissTrouble() {
    this.#trouble = null;
  }

  /**
   * Runs what a button does; a failure is shown above the page's content. Work that ends after the operator went
   * elsewhere neither moves the page under their hands nor puts its failure on another one: a notice leads there.
   */
  async press<T>(work: (lead: Lead) => Promise<T>): Promise<T | null> {
    this.#trouble = null;
    const from = this.#from();
    try {
      return await work(from.lead);
    } catch (thrown) {
      this.#trouble = from.told(troubleOf(thrown));
      return null;
    }
  }

  /**
   * Begins what a dialog asks for, and goes where it answers. Answers the failure, for the dialog to show; one that is
   * left meanwhile has a notice instead, like everything that `press` runs.
   */
  async begin(work: () => Promise<Place>): Promise<Trouble | null> {
    const from = this.#from();
    try {
      from.lead(await work());
      return null;
    } catch (thrown) {
      return from.told(troubleOf(thrown));
    }
  }

  /** Where something is begun: how it leads on, and how its failure is told. */
  #from(): { lead: Lead; told: (trouble: Trouble) => Trouble | null } {
    const from = this.navigation.heading;
    const isHere = () => from === null || this.navigation.isAt(from);
    return {
      lead: (place) => {
        const here = isHere();
        if (here) this.go(place);
        else this.#elsewhere = [...this.#elsewhere, { place, trouble: null }];
        return here;
      },
      told: (trouble) => {
        if (trouble.code === "DRY-1231") void this.freezes.reading.read();
        if (from === null || isHere()) return trouble;
        this.#elsewhere = [...this.#elsewhere, { place: from, trouble }];
        return null;
      },
    };
  }

  /** Goes to where something ended, and shows there why it failed. */
  follow(one: Elsewhere) {
    this.dismissElsewhere(one);
    this.go(one.place);
    this.#trouble = one.trouble;
  }

  dismissElsewhere(one: Elsewhere) {
    this.#elsewhere = this.#elsewhere.filter((other) => other !== one);
  }

  /** Hands a typed secret to the engine; the answer is its handle. */
  take(secret: string): Promise<string | null> {
    const taking = this.press(() => api.setPassword(secret));
    this.#taking = taking;
    return taking;
  }

  /** Leaving a field hands its secret over; who sends the form waits for that first. */
  async taken() {
    await this.#taking;
  }

  go(place: Place) {
    this.#trouble = null;
    this.#said = { sentence: "", place: null };
    this.navigation.go(place);
  }
}

/** The next step of an overview as the one primary button says it. */
export const nextStepWords: Record<NextStep, string> = {
  open_doctor: "Test the connection",
  choose_migrations: "Choose the migrations",
  open_repair: "Open the failed migration",
  plan_pending: "Plan the migrations",
  baseline: "Open the migrations",
  compare_drift: "Compare the schema",
  open_run: "Open the run",
  repin: "Compare the databases",
  nothing: "Read again",
};

export const [useConsole, provideConsole] = createContext<Console>();
