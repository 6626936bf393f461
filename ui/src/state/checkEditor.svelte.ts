import { api } from "../lib/api";
import type { CheckFile, CheckSetup, ProfileProblem } from "../lib/bindings";
import { fileName } from "../lib/checkSetup";
import { unixLines, withLineEnds } from "../lib/checkText";
import { troubleOf, type Trouble } from "../lib/failures";

/** Milliseconds without a key before the text is looked through. */
const PAUSE = 250;

/** A file of checks as it is edited: its text, what is wrong in it, and whether it is saved. */
export class CheckEditor {
  readonly path: string;
  readonly isNew: boolean;
  /** What the file holds; a new one nothing yet. */
  readonly #saved: string;
  readonly #digest: string | null;
  readonly #windowsLines: boolean;
  #text = $state("");
  #judged = $state.raw<{ text: string; problems: ProfileProblem[] } | null>(null);
  #unjudged = $state.raw<Trouble | null>(null);
  #trouble = $state.raw<Trouble | null>(null);
  #saving = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(file: CheckFile | { path: string; text: string; digest: null }) {
    this.path = file.path;
    this.isNew = file.digest === null;
    this.#digest = file.digest;
    this.#windowsLines = file.text.includes("\r\n");
    this.#text = unixLines(file.text);
    this.#saved = this.isNew ? "" : this.#text;
    if ("problems" in file) this.#judged = { text: this.#text, problems: file.problems };
    else void this.#judge();
  }

  get name() {
    return fileName(this.path);
  }

  get text() {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#judge(), PAUSE);
  }

  /** Something in it would be lost. */
  get isChanged() {
    return this.#text !== this.#saved;
  }

  /** What is wrong in it; of a text that is still being typed, what was wrong a moment ago. */
  get problems(): ProfileProblem[] {
    return this.#judged?.problems ?? [];
  }

  /** The problems are those of the text as it stands. */
  get isJudged() {
    return this.#judged?.text === this.#text;
  }

  /** Why nobody knows what is wrong in it. */
  get unjudged() {
    return this.#unjudged;
  }

  /** Why it was not saved. */
  get trouble() {
    return this.#trouble;
  }

  get isSaving() {
    return this.#saving;
  }

  async #judge() {
    const text = this.#text;
    try {
      const problems = await api.judgeChecks(this.name, text);
      if (text !== this.#text) return;
      this.#judged = { text, problems };
      this.#unjudged = null;
    } catch (thrown) {
      if (text === this.#text) this.#unjudged = troubleOf(thrown);
    }
  }

  /** Why it cannot be saved now. */
  get locked(): string | false {
    if (!this.isChanged) return "Nothing in it has changed.";
    if (this.#unjudged !== null) return false;
    if (!this.isJudged) return "It is being looked through.";
    return this.problems.length > 0 && "Correct what is wrong first.";
  }

  /** Writes the file; a failure is shown and the text stays. */
  async save(environment: string): Promise<CheckSetup | null> {
    // Who saves at once after the last letter need not wait for the next look.
    if (this.isChanged && !this.isJudged) {
      clearTimeout(this.#timer);
      await this.#judge();
    }
    if (this.#saving || this.locked !== false) return null;
    this.#saving = true;
    this.#trouble = null;
    try {
      return await api.saveCheckFile(
        environment,
        this.path,
        withLineEnds(this.#text, this.#windowsLines),
        this.#digest,
      );
    } catch (thrown) {
      this.#trouble = troubleOf(thrown);
      return null;
    } finally {
      this.#saving = false;
    }
  }

  /** It is over: nothing is looked through any more. */
  end() {
    clearTimeout(this.#timer);
  }
}
