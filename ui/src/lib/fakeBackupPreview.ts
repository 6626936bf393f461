/** The tables of the fake shell's backups, and what a backup of them would be. In no production bundle. */
import type { BackupKind, BackupPolicy, BackupPreview, BackupRequest, BackupTable, LeftOut } from "./bindings";
import { bytes, count, whole } from "./format";

/** Bytes free where backups are kept. */
export const FREE = 44.3e9;

const big: [string, number][] = [
  ["credit_ledger", 9_204_118],
  ["avatar_generations", 5_811_204],
  ["sessions", 2_101_440],
  ["projects", 911_802],
  ["users", 214_390],
  ["invitations", 98_112],
  ["avatars", 61_008],
  ["feature_flags", 25],
  ["ai_models", 17],
  ["avatar_styles", 12],
];
export const tables: BackupTable[] = [
  ...big.map(([name, rows]) => ({ table: { schema: "public", name }, rows })),
  ...Array.from({ length: 32 }, (_, at) => ({
    table: { schema: at < 30 ? "public" : "billing", name: `part_${String(at + 1).padStart(2, "0")}` },
    rows: 307 + at * 11,
  })),
  { table: { schema: "billing", name: "invoices" }, rows: 0 },
];
export const sum = (of: BackupTable[]) => of.reduce((total, table) => total + table.rows, 0);

const always: LeftOut = {
  what: "roles, passwords and settings of the whole server",
  why: "They are not part of one database. Make roles again before restoring on another server.",
};
const quickOnly: LeftOut = {
  what: "the definition of tables, indexes, views and functions",
  why: "A quick backup holds rows, to put back into tables that are there. A deep one holds the schema.",
};
export const leftOutOf = (kind: BackupKind) => [
  ...(kind === "quick" ? [quickOnly] : []),
  { what: "schema auth", why: "It belongs to the hosting platform, which makes it again by itself." },
  always,
];

/** Tables that a request asks for; names that are not there. */
export function chosen({ scope }: BackupRequest): { tables: BackupTable[]; missing: string[] } {
  if (scope.kind === "whole") return { tables, missing: [] };
  if (scope.kind === "schemas")
    return {
      tables: tables.filter(({ table }) => scope.schemas.includes(table.schema)),
      missing: scope.schemas
        .filter((schema) => !tables.some(({ table }) => table.schema === schema))
        .map((schema) => `There is no schema ${schema} of the product's.`),
    };
  const same = (one: BackupTable["table"]) => (other: BackupTable["table"]) =>
    one.schema === other.schema && one.name === other.name;
  return {
    tables: tables.filter(({ table }) => scope.tables.some(same(table))),
    missing: scope.tables
      .filter((table) => !tables.some((one) => same(table)(one.table)))
      .map((table) => `There is no table ${table.schema === "public" ? "" : `${table.schema}.`}${table.name}.`),
  };
}

export function preview(name: string, policy: BackupPolicy, scenario: string, request: BackupRequest): BackupPreview {
  const found = chosen(request);
  const rows = sum(found.tables);
  const size = scenario === "backups-large" ? 41e9 : rows * 190;
  const needed = size / 2 + 6.7e7;
  const refusals = [...found.missing];
  if (scenario === "backups-refused") {
    refusals.push("salaries may not be read: the right to SELECT is missing.");
    refusals.push(`There is not enough room: ${bytes(needed)} needed, 40 MB free.`);
  }
  const deep = request.kind === "deep";
  return {
    headline:
      refusals.length > 0
        ? "This backup cannot be taken."
        : `This takes a ${request.kind} backup of ${request.scope.kind === "whole" ? "the whole database" : count(found.tables.length, "table")} and only reads.`,
    tool: deep ? "pg_dump 18.4, the toolkit" : "COPY over our own connection",
    other_ways: deep
      ? [
          "In the database's container or on the SSH host: Drydock does not run programs there yet.",
          "pg_dump 14.11 (this computer): older than the server, PostgreSQL 15; it would refuse.",
        ]
      : [],
    tables: found.tables.length,
    rows,
    source_bytes: size,
    needed_bytes: needed,
    free_bytes: scenario === "backups-refused" ? 4e7 : FREE,
    left_out: leftOutOf(request.kind),
    refusals,
    folder: `${policy.folder === "" ? "/home/ops/.local/share/drydock/backups" : policy.folder}/${name}`,
    prove_later:
      size > policy.prove_up_to_mb * 1e6
        ? `Its tables take ${bytes(size)} on the server; above ${whole(policy.prove_up_to_mb)} MB a proof is asked for, because it takes that room here.`
        : null,
  };
}
