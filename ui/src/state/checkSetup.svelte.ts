import { api } from "../lib/api";
import type { CheckSetup } from "../lib/bindings";
import { fileName, firstText, missingIn, pathIn, setupHeadline } from "../lib/checkSetup";
import { count } from "../lib/format";
import type { Next } from "../lib/press";
import { visible } from "../lib/text";
import { CheckEditor } from "./checkEditor.svelte";
import type { Console } from "./console.svelte";
import type { Reading } from "./reading.svelte";

/** Setting up an environment's checks: what is set, what is being edited, and what comes next. */
export class CheckSetUp {
  readonly environment: string;
  readonly reading: Reading<CheckSetup>;
  readonly #console: Console;
  #editor = $state.raw<CheckEditor | null>(null);
  #opening = $state<string | null>(null);
  #adding = $state(false);
  #changed = false;
  /** The name of a new file is asked for. */
  naming = $state(false);
  /** A check is composed in a form. */
  composing = $state(false);
  /** The credential that is being entered. */
  entering = $state<string | null>(null);
  /** What to go on with once the unsaved text is given up. */
  leaving = $state.raw<(() => void) | null>(null);

  constructor(console: Console, environment: string) {
    this.#console = console;
    this.environment = environment;
    this.reading = console.readings.of<CheckSetup>(`${environment}/check-setup`, () => api.checkSetup(environment));
  }

  get setup() {
    return this.reading.value;
  }

  get editor() {
    return this.#editor;
  }

  /** The file that is being opened. */
  get opening() {
    return this.#opening;
  }

  /** Whether something was changed since this was asked last: then there may be other checks. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  put(setup: CheckSetup) {
    this.#changed = true;
    this.reading.put(setup);
  }

  async addFolder() {
    this.#adding = true;
    await this.#console.press(async () => {
      const folder = await api.pickFolder();
      if (folder !== null) this.put(await api.addCheckFolder(this.environment, folder));
    });
    this.#adding = false;
  }

  async removeFolder(folder: string) {
    const removed = await this.#console.press(async () => {
      this.put(await api.removeCheckFolder(this.environment, folder));
      return true;
    });
    if (removed !== null) this.#console.say("The folder is no longer looked in. Its files are as they were.");
  }

  async open(path: string) {
    this.#opening = path;
    const file = await this.#console.press(() => api.checkFile(this.environment, path));
    if (file !== null && this.#opening === path) this.#editor = new CheckEditor(file);
    this.#opening = null;
  }

  /** A new file begins with its title, and with the form of its first check. */
  begin(folder: string, name: string) {
    this.naming = false;
    this.#editor = new CheckEditor({ path: pathIn(folder, name), text: firstText(name), digest: null });
    this.composing = true;
  }

  async save() {
    const { editor } = this;
    if (editor === null) return;
    const setup = await editor.save(this.environment);
    if (setup === null) return;
    this.put(setup);
    this.close();
    this.#console.say(`Saved ${visible(editor.name)}.`);
  }

  /** Goes on at once, or asks first whether the unsaved text may be lost. */
  leave(go: () => void): boolean {
    if (this.#editor?.isChanged !== true) {
      go();
      return true;
    }
    this.leaving = go;
    return false;
  }

  /** The unsaved text may be lost; goes where it was to go. */
  giveUp() {
    const go = this.leaving;
    this.close();
    go?.();
  }

  close() {
    this.#editor?.end();
    this.#editor = null;
    this.composing = false;
    this.leaving = null;
  }

  get headline(): string {
    const { editor, setup } = this;
    if (editor !== null) {
      const wrong = editor.problems.length;
      const what = `${editor.isNew ? "New file" : "Editing"} ${editor.name}.`;
      if (editor.unjudged !== null) return `${what} What is wrong in it is not known.`;
      return wrong > 0 ? `${what} ${count(wrong, "mistake")}.` : what;
    }
    if (setup !== null) return setupHeadline(setup);
    return this.reading.trouble === null ? "Reading where the checks come from." : "The set-up could not be read.";
  }

  get lead(): string | null {
    if (this.#editor !== null)
      return "A file of checks is plain text. No secret belongs in it: it names a credential, and the secret is kept apart.";
    return this.setup === null ? null : "Checks come from seed profiles and from files of checks in your folders.";
  }

  /** The next step; `verify` reads every check. */
  next(verify: () => unknown): Next {
    if (this.#editor !== null) return this.#editing(this.#editor);
    const { setup } = this;
    if (setup === null)
      return {
        title: "Read the set-up.",
        detail: "It is kept by Drydock; files are only read.",
        primary: { words: "Read again", press: () => this.reading.read(), busy: this.reading.busy && "Reading…" },
      };
    const folder = {
      words: "Add a folder…",
      icon: "folder-open",
      press: () => this.addFolder(),
      busy: this.#adding && "Adding…",
      testid: "check-folder-add",
    } as const;
    const missing = missingIn(setup);
    switch (missing?.kind) {
      case "folder":
        return {
          title: "Add the folder that holds your files of checks, or is to hold them.",
          detail: "It may be in the app's repository. Nothing is written into it before you save a file.",
          primary: folder,
        };
      case "mistake":
        return {
          title: `Correct ${visible(fileName(missing.suite.id))}: ${visible(missing.suite.problems[0]?.what ?? "")}`,
          detail: "None of its checks is read before that.",
          primary: {
            words: "Open the file",
            press: () => this.open(missing.suite.id),
            busy: this.#opening !== null && "Opening…",
          },
          others: [folder],
        };
      case "file":
        return {
          title: "Write the first file of checks.",
          detail: "A form helps with its first check.",
          primary: { words: "New file…", press: () => (this.naming = true) },
          others: [folder],
        };
      case "address":
        return {
          title: "Enter the app's address.",
          detail: "Checks that ask the app stay unknown without it.",
          primary: {
            words: "Enter the address",
            press: () => document.querySelector<HTMLElement>("[data-testid='check-app']")?.focus(),
          },
          others: [folder],
        };
      case "credential":
        return {
          title: `Enter ${visible(missing.credential.label)}.`,
          detail: "Checks that need it stay unknown without it.",
          primary: { words: "Enter it", press: () => (this.entering = missing.credential.name) },
          others: [folder],
        };
      default:
        return {
          title: "Everything is set. See whether the checks hold.",
          detail: "Reads the database and asks the app.",
          primary: { words: "Verify", icon: "rotate-ccw", press: verify },
          others: [folder],
        };
    }
  }

  #editing(editor: CheckEditor): Next {
    const first = editor.problems[0];
    return {
      title:
        first !== undefined && editor.isJudged
          ? `Line ${first.at.line}: ${first.next}`
          : editor.isChanged
            ? `Save ${visible(editor.name)}.`
            : `Change ${visible(editor.name)}, then save it.`,
      detail: "The file is written whole or not at all, and never over what somebody else wrote meanwhile.",
      primary: {
        words: "Save",
        press: () => this.save(),
        busy: editor.isSaving && "Saving…",
        locked: editor.locked,
      },
      others: [
        { words: "Close", icon: "x", press: () => this.leave(() => this.close()), testid: "check-editor-close" },
        { words: "Add a check…", icon: "plus", press: () => (this.composing = true), testid: "check-add" },
      ],
    };
  }
}
