import { api } from "../lib/api";
import type { Theme } from "../lib/bindings";

const SINGLE_KEYS = "drydock.single-keys";

/** Theme (kept by the shell) and whether single keys act as shortcuts (kept by the window). */
export class Preferences {
  #theme = $state<Theme>("system");
  #singleKeys = $state(localStorage.getItem(SINGLE_KEYS) !== "off");

  get theme() {
    return this.#theme;
  }

  get singleKeys() {
    return this.#singleKeys;
  }

  async load() {
    this.#show((await api.settings()).theme);
  }

  async chooseTheme(theme: Theme) {
    this.#show(theme);
    this.#show((await api.setSettings({ theme })).theme);
  }

  chooseSingleKeys(on: boolean) {
    this.#singleKeys = on;
    localStorage.setItem(SINGLE_KEYS, on ? "on" : "off");
  }

  #show(theme: Theme) {
    this.#theme = theme;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  }
}
