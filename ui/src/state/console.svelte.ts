import { createContext } from "svelte";
import { api } from "../lib/api";
import type { NextStep } from "../lib/bindings";
import { troubleOf, type Trouble } from "../lib/failures";
import { Clock } from "./clock.svelte";
import { Environments } from "./environments.svelte";
import { Freezing } from "./freezes.svelte";
import { Lines } from "./lines.svelte";
import { Questions } from "./questions.svelte";
import { Navigation, type Place } from "./navigation.svelte";
import { Preferences } from "./preferences.svelte";
import { Readings } from "./reading.svelte";
import { SeedForms } from "./seedForm.svelte";

/** A question that stands in the way of a reading, with what to do once it is answered. */
export type Prompt = {
  kind: "vault" | "secret" | "ssh_secret" | "repin";
  environment: string | null;
  then: () => void;
};

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
  #said = $state("");
  #silence: ReturnType<typeof setTimeout> | undefined;
  #trouble = $state.raw<Trouble | null>(null);
  #taking: Promise<unknown> = Promise.resolve();

  get prompt() {
    return this.#prompt;
  }

  get said() {
    return this.#said;
  }

  /** The failure of the last thing that was pressed. */
  get trouble() {
    return this.#trouble;
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
    this.#silence = setTimeout(() => (this.#said = ""), SAID_FOR);
    this.#said = sentence;
  }

  dismissTrouble() {
    this.#trouble = null;
  }

  /** Runs what a button does; a failure is shown above the page's content. */
  async press<T>(work: () => Promise<T>): Promise<T | null> {
    this.#trouble = null;
    try {
      return await work();
    } catch (thrown) {
      this.#trouble = troubleOf(thrown);
      if (this.#trouble.code === "DRY-1231") void this.freezes.reading.read();
      return null;
    }
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
    this.#said = "";
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
