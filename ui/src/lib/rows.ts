import type { ChangedColumn, DryRunReport, Outcome, RowChange, RowKind, TableChanges, WholeTable } from "./bindings";
import { count, span, whole } from "./format";
import { waitsWords } from "./waits";

/** How a row change is drawn: the sign carries the meaning, colour comes second. */
export const rowSigns: Record<RowKind, { sign: string; look: "insert" | "update" | "delete" | "same"; words: string }> =
  {
    inserted: { sign: "+", look: "insert", words: "added" },
    updated: { sign: "~", look: "update", words: "changed" },
    deleted: { sign: "−", look: "delete", words: "deleted" },
    rewritten: { sign: "=", look: "same", words: "written again, same values" },
    unchanged: { sign: "=", look: "same", words: "stays as it is" },
  };

export type Show = "all" | "inserted" | "updated" | "deleted" | "same";

/** What to ask for; rows that stay as they are come only when they are asked for. */
export function kindsOf(show: Show, unfolded: boolean): RowKind[] {
  if (show === "same") return ["rewritten", "unchanged"];
  if (show !== "all") return [show];
  return unfolded ? [] : ["inserted", "updated", "deleted"];
}

export type Counts = { inserted: number; updated: number; deleted: number; same: number };

export function countsOf(table: TableChanges): Counts {
  return {
    inserted: table.inserted,
    updated: table.updated,
    deleted: table.deleted,
    same: table.rewritten + (table.unchanged ?? 0),
  };
}

export function sumOf(tables: TableChanges[]): Counts {
  return tables.map(countsOf).reduce(
    (sum, one) => ({
      inserted: sum.inserted + one.inserted,
      updated: sum.updated + one.updated,
      deleted: sum.deleted + one.deleted,
      same: sum.same + one.same,
    }),
    { inserted: 0, updated: 0, deleted: 0, same: 0 },
  );
}

/** Row changes in all: what is written again with the same values is none. */
export function changesIn(tables: TableChanges[]): number {
  const sum = sumOf(tables);
  return sum.inserted + sum.updated + sum.deleted;
}

const presentWords: Record<RowKind, string> = {
  inserted: "adds",
  updated: "changes",
  deleted: "deletes",
  rewritten: "writes again",
  unchanged: "leaves",
};

/** `adds 17 rows and changes 4`, of something that is not done yet. */
export function changesAhead(counts: Counts): string {
  return changeWords(counts, (kind) => presentWords[kind]);
}

/** `added 17 rows, changed 4 and deleted 1`; `changed no row`. */
export function changesDone(counts: Counts): string {
  return changeWords(counts, (kind) => rowSigns[kind].words);
}

function changeWords(counts: Counts, verb: (kind: RowKind) => string): string {
  const parts = (["inserted", "updated", "deleted"] as const)
    .filter((kind) => counts[kind] > 0)
    .map((kind, index) => {
      const amount = index === 0 ? count(counts[kind], "row") : whole(counts[kind]);
      return `${verb(kind)} ${amount}`;
    });
  if (parts.length === 0) return `${verb("updated")} no row`;
  const last = parts.pop() ?? "";
  return parts.length === 0 ? last : `${parts.join(", ")} and ${last}`;
}

/** `public.users` is `users`; other schemas are named. */
export function shortTable(table: string): string {
  return table.replace(/^public\./, "");
}

export const wholeWords: Record<WholeTable, string> = {
  created: "The table is new.",
  emptied: "The table was emptied as a whole.",
  rewritten: "Every row of the table was written anew.",
  dropped: "The table is gone.",
};

export function isNumeric(type: string): boolean {
  return /^(smallint|integer|bigint|int\d?|numeric|decimal|real|double precision|float\d?|money|oid)\b/i.test(type);
}

/** Pixels that a column's values usually need, before and after beside each other. */
export function widthOf(column: ChangedColumn, isKey: boolean): number {
  const type = column.type_name.toLowerCase();
  if (column.sensitive) return 152;
  const usual = /^bool/.test(type)
    ? 88
    : isNumeric(type)
      ? 84
      : /^uuid/.test(type)
        ? 136
        : /^timestamp/.test(type)
          ? 184
          : /^(date|time)/.test(type)
            ? 120
            : 160;
  return Math.max(usual, Math.min(184, 40 + column.name.length * 8), isKey ? 136 : 0);
}

/** Positions of the key columns, in the key's order; nothing tells rows apart: none. */
export function keyOf(table: TableChanges): number[] {
  return table.key
    .map((name) => table.columns.findIndex((column) => column.name === name))
    .filter((position) => position >= 0);
}

/** Which columns are shown beside the key: those that change first, then those of the table, as many as there is room for. */
export function pickColumns(table: TableChanges, rows: RowChange[], room: number): number[] {
  const keys = keyOf(table);
  const changes = table.columns.map(() => 0);
  for (const row of rows)
    if (row.kind === "updated") for (const position of row.changed) changes[position] = (changes[position] ?? 0) + 1;
  const width = (position: number) => {
    const column = table.columns[position];
    return column === undefined ? 0 : widthOf(column, keys.includes(position));
  };
  let left = room - keys.reduce((sum, position) => sum + width(position), 0);
  const others = table.columns
    .map((_, position) => position)
    .filter((position) => !keys.includes(position))
    .sort((one, other) => Number((changes[other] ?? 0) > 0) - Number((changes[one] ?? 0) > 0) || one - other);
  const picked: number[] = [];
  for (const position of others) {
    if (width(position) > left) break;
    picked.push(position);
    left -= width(position);
  }
  if (picked.length === 0 && keys.length === 0 && others[0] !== undefined) picked.push(others[0]);
  return [...keys, ...picked.sort((one, other) => one - other)];
}

/** What the columns that are not shown hold: `6 same`, `6 set`, `2 changed`. */
export function foldedWords(row: RowChange, hidden: number[]): { words: string; changed: boolean } {
  if (hidden.length === 0) return { words: "", changed: false };
  if (row.kind === "inserted") return { words: `${hidden.length} set`, changed: false };
  if (row.kind === "deleted") return { words: `${hidden.length} gone`, changed: false };
  const changed = row.kind === "updated" ? hidden.filter((position) => row.changed.includes(position)).length : 0;
  return changed > 0
    ? { words: `${changed} changed`, changed: true }
    : { words: `${hidden.length} same`, changed: false };
}

/** Pixels that the counts of each kind need below each other, sign and separators included. */
export function countWidths(tables: TableChanges[]): Record<keyof Counts, number> {
  const sum = sumOf(tables);
  const width = (kind: keyof Counts) => {
    const longest = Math.max(...[...tables.map(countsOf), sum].map((counts) => whole(counts[kind]).length));
    return Math.max(36, Math.ceil((longest + (kind === "same" ? 0 : 1)) * 7.8) + 12);
  };
  return {
    inserted: width("inserted"),
    updated: width("updated"),
    deleted: width("deleted"),
    same: width("same") + 10,
  };
}

/** Who has to wait while the rows are written, and how long it takes. */
export function locksFinding(report: DryRunReport, gate: Outcome): { outcome: Outcome; title: string; detail: string } {
  const blocking = report.locks.filter((lock) => lock.waits !== "nobody");
  const longest = [...blocking].sort((one, other) => other.held_seconds - one.held_seconds)[0];
  if (longest === undefined)
    return {
      outcome: "pass",
      title: `Row locks only, ${span(report.seconds)}.`,
      detail: "Only who changes the same rows has to wait.",
    };
  return {
    outcome: gate,
    title: `${count(blocking.length, "table")} locked, for up to ${span(longest.held_seconds)}.`,
    detail: `\`${shortTable(longest.table)}\`: ${waitsWords[longest.waits]} have to wait.`,
  };
}
