import { api } from "../lib/api";
import type { RowsKept, Settings, Theme } from "../lib/bindings";

/** In days, as the shell has it before anybody chose. */
const keptByDefault: RowsKept = { applies: 90, dry_runs: 7 };
const SINGLE_KEYS = "drydock.single-keys";

/** Theme and how long rows are kept (kept by the shell), and whether single keys act as shortcuts (kept by the window). */
export class Preferences {
  #settings = $state.raw<Settings>({ theme: "system" });
  #singleKeys = $state(localStorage.getItem(SINGLE_KEYS) !== "off");

  get theme() {
    return this.#settings.theme;
  }

  get rowsKept() {
    return this.#settings.rows_kept ?? keptByDefault;
  }

  get singleKeys() {
    return this.#singleKeys;
  }

  async load() {
    this.#show(await api.settings());
  }

  async chooseTheme(theme: Theme) {
    const wanted = { ...this.#settings, theme };
    this.#show(wanted);
    this.#show(await api.setSettings(wanted));
  }

  async keepRows(kept: RowsKept) {
    this.#show(await api.setSettings({ ...this.#settings, rows_kept: kept }));
  }

  chooseSingleKeys(on: boolean) {
    this.#singleKeys = on;
    localStorage.setItem(SINGLE_KEYS, on ? "on" : "off");
  }

  #show(settings: Settings) {
    this.#settings = settings;
    const { theme } = settings;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  }
}
