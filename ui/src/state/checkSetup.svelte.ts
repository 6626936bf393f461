import { api } from "../lib/api";
import type { CheckSetup } from "../lib/bindings";
import { firstText, pathIn, setupHeadline } from "../lib/checkSetup";
import { count } from "../lib/format";
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

  /** A folder is being added. */
  get isAdding() {
    return this.#adding;
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
}
