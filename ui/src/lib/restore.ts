import { tableWords, takenAt } from "./backups";
import type { BackupView } from "./bindings";
import { count, whole } from "./format";
import type { LossTotals, RestoreInto, RestoreWhat } from "./bindings";

/** Values of keys as they are typed: a row a line, columns between commas; quotes keep a value as it is. */
export function keysIn(text: string): string[][] {
  /* A comma with an even number of quotes behind it stands between values. */
  const between = /,(?=(?:[^"]*"[^"]*")*[^"]*$)/;
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  return lines.map((line) =>
    line.split(between).map((part) => {
      const value = part.trim();
      return /^"(?:[^"]|"")*"$/.test(value) ? value.slice(1, -1).replaceAll('""', '"') : value;
    }),
  );
}

/** What of a backup is restored, as the object of a sentence: `3 tables of 14:02`. */
export function objectOf(what: RestoreWhat, backup: BackupView, now: number): string {
  const at = takenAt(backup.taken_at, now);
  // When a dump was made is only what its header says: its name tells more.
  const from = backup.imported === null ? `of ${at}` : `of the backup ${backup.imported}`;
  switch (what.kind) {
    case "everything":
      return `the ${backup.kind} backup ${backup.imported ?? `of ${at}`}`;
    case "tables":
      return what.tables.length === 1 && what.tables[0] !== undefined
        ? `table ${tableWords(what.tables[0])} ${from}`
        : `${whole(what.tables.length)} tables ${from}`;
    case "rows":
      return `${count(what.keys.length, "row")} of ${tableWords(what.table)} ${from}`;
  }
}

/** Where it goes: `over production`, `into a new database shop_1402`. */
export function placeOf(into: RestoreInto, there: string): string {
  return into.kind === "new_database" ? `into a new database ${into.name}` : `over ${there}`;
}

/** What is lost, in a line. */
export function lossWords(totals: LossTotals): string {
  const parts = [
    totals.new > 0 ? `${count(totals.new, "new row")} gone` : "",
    totals.changed > 0 ? `${count(totals.changed, "change")} gone` : "",
    totals.deleted > 0 ? `${count(totals.deleted, "deleted row")} back again` : "",
    totals.unknown > 0 ? `${count(totals.unknown, "table")} not known` : "",
  ].filter(Boolean);
  return parts.length === 0 ? "nothing: no row has changed since" : parts.join(", ");
}
