import { SvelteSet } from "svelte/reactivity";
import { api } from "../lib/api";
import { tableIn } from "../lib/backups";
import type { BackupDetail, PlanReview } from "../lib/bindings";
import { keysIn } from "../lib/restore";
import type { RestoreInto, RestoreLoss, RestoreRequest, RestoreWay, RestoreWhat } from "../lib/bindings";
import { Reading } from "./reading.svelte";

export type RestoreStep = "choose" | "loss" | "how" | "confirm";

/** A restore from the first question to its plan. What was chosen stays when one goes back a step. */
export class Restoring {
  readonly detail: BackupDetail;
  readonly #environment: string;
  /** It may be from another database: it was brought here, or the engine refused it. Then the operator is asked. */
  mayBeOther = $state(false);
  /** The operator said that it is, and restores it all the same. */
  isOther = $state(false);
  step = $state<RestoreStep>("choose");
  what = $state<RestoreWhat["kind"]>("everything");
  readonly ticked = new SvelteSet<string>();
  table = $state("");
  keys = $state("");
  /** The target's name, typed because the backup is from another database. */
  other = $state("");
  into = $state<RestoreInto["kind"] | null>(null);
  newName = $state("");
  #loss = $state.raw<Reading<RestoreLoss> | null>(null);
  #plan = $state.raw<Reading<PlanReview> | null>(null);

  constructor(environment: string, detail: BackupDetail) {
    this.#environment = environment;
    this.detail = detail;
    this.isOther = !detail.backup.knows_database;
    this.mayBeOther = detail.backup.imported !== null || detail.backup.environment_id !== environment;
  }

  get loss() {
    return this.#loss;
  }

  get plan() {
    return this.#plan;
  }

  get chosen(): RestoreWhat | null {
    if (this.what === "everything") return { kind: "everything" };
    if (this.what === "tables")
      return this.ticked.size === 0
        ? null
        : { kind: "tables", tables: [...this.ticked].map((name) => tableIn(name, "public")) };
    const keys = keysIn(this.keys);
    return this.table === "" || keys.length === 0 ? null : { kind: "rows", table: tableIn(this.table, "public"), keys };
  }

  get way(): RestoreWay | null {
    return this.#loss?.value?.ways.find(({ into }) => into.kind === this.into) ?? null;
  }

  #request(into: RestoreInto): RestoreRequest | null {
    const what = this.chosen;
    return what === null
      ? null
      : { backup_id: this.detail.backup.id, what, into, other_database: this.isOther ? this.other : null };
  }

  /** Where it goes; null: that is not chosen yet. */
  get place(): RestoreInto | null {
    if (this.into === null || this.way === null || this.way.closed !== null) return null;
    if (this.into !== "new_database") return { kind: this.into };
    return this.newName.trim() === "" ? null : { kind: "new_database", name: this.newName.trim() };
  }

  /** Compares the backup with what is there. It only reads. */
  async look() {
    const request = this.#request({ kind: "target" });
    if (request === null) return;
    this.step = "loss";
    this.into = null;
    const reading = new Reading(() => api.restoreLoss(this.#environment, request));
    this.#loss = reading;
    const loss = await reading.read();
    if (reading.trouble?.code === "DRY-1229") this.mayBeOther = true;
    const beside = loss?.ways.find(({ into }) => into.kind === "new_database")?.into;
    if (beside?.kind === "new_database" && this.newName === "") this.newName = beside.name;
  }

  /** Makes the plan. It writes nothing. */
  async decide() {
    const into = this.place;
    const request = into === null ? null : this.#request(into);
    if (request === null) return;
    this.step = "confirm";
    const reading = new Reading(() => api.planRestore(this.#environment, request));
    this.#plan = reading;
    await reading.read();
  }
}
