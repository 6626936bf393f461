import { SvelteSet } from "svelte/reactivity";
import { namesIn, schemaIn, tableIn, tableText } from "../lib/backups";
import type { BackupKind, BackupRequest, BackupScope } from "../lib/bindings";

/** What of the database a deep backup is to hold; a quick one is always of tables. */
export type Extent = BackupScope["kind"];

/** A backup as it is being chosen. */
export class BackupDraft {
  kind = $state<BackupKind>("deep");
  extent = $state<Extent>("whole");
  /** Tables that were ticked in the list, as one would type them. */
  readonly ticked = new SvelteSet<string>();
  /** Tables that were typed. */
  tables = $state("");
  schemas = $state("");
  prove = $state(true);
  readonly #schema: string;

  /** `schema`: where a table is looked for whose schema is not named. */
  constructor(schema: string) {
    this.#schema = schema;
  }

  get ofTables(): boolean {
    return this.kind === "quick" || this.extent === "tables";
  }

  get #scope(): BackupScope | null {
    if (this.ofTables) {
      const typed = namesIn(this.tables).map((name) => tableText(tableIn(name, this.#schema)));
      const names = [...this.ticked, ...typed.filter((name) => !this.ticked.has(name))];
      return names.length === 0 ? null : { kind: "tables", tables: names.map((name) => tableIn(name, this.#schema)) };
    }
    if (this.extent === "whole") return { kind: "whole" };
    const schemas = namesIn(this.schemas).map(schemaIn);
    return schemas.length === 0 ? null : { kind: "schemas", schemas };
  }

  /** What would be asked for; null: its tables or schemas are not named yet. */
  get request(): BackupRequest | null {
    const scope = this.#scope;
    return scope === null ? null : { kind: this.kind, scope, prove: this.prove, for_plan: null };
  }
}
