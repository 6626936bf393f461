/**
 * Restores of the fake shell. Scenarios: restore-closed (not in place), restore-none (nothing has changed since),
 * restore-gate (a gate of the plan is closed), restore-fails (the comparison fails). In no production bundle.
 */
import type { Failure, PlanReview, Result, Run, Step, PlanPurpose } from "./bindings";
import type { FakeStage } from "./fakeStage";
import { ago, type World } from "./fakeWorld";
import { count } from "./format";
import type { RestoreLoss, RestoreRequest, TableLoss } from "./bindings";

type RestoreCommands = Pick<
  typeof import("./bindings").commands,
  "environmentOfRestore" | "restoreLoss" | "restorePlan" | "rollBackPlan" | "rollBackReport" | "swapBackPlan"
>;

type Shell = {
  scenario: string;
  pace: number;
  worldOf: (id: string | null) => World;
  worlds: () => World[];
  runOf: (id: string) => Run;
  plan: (world: World, purpose: PlanPurpose, steps: Step[]) => PlanReview;
  stage: FakeStage;
};

const ok = <T>(data: T): Result<T, Failure> => ({ status: "ok", data });
const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

const table = (
  name: string,
  added: number | null,
  changed: number | null,
  deleted: number | null,
  note: string | null = null,
): TableLoss => ({
  table: { schema: "public", name },
  new: added,
  changed,
  deleted,
  note,
});
const changed: TableLoss[] = [
  table("credit_ledger", 1204, 0, 0),
  table("projects", 84, 312, 3),
  table("users", 38, 141, 0),
  table("feature_flags", 0, 24, 0),
  table("avatars_v2", 212, 0, 0, "newer than the backup; removed as a whole"),
  table("audit_trail", null, null, null, "no right to read this table"),
];

function loss(scenario: string, request: RestoreRequest): RestoreLoss {
  const none = scenario === "restore-none";
  const { what } = request;
  const names = what.kind === "tables" ? what.tables.map(({ name }) => name) : null;
  const rows = what.kind === "rows" ? [table(what.table.name, 0, what.keys.length, 0)] : null;
  const tables = none ? [] : (rows ?? changed.filter((one) => names === null || names.includes(one.table.name)));
  const sum = (of: "new" | "changed" | "deleted") => tables.reduce((total, one) => total + (one[of] ?? 0), 0);
  const totals = {
    new: sum("new"),
    changed: sum("changed"),
    deleted: sum("deleted"),
    unknown: tables.filter((one) => one.new === null).length,
  };
  const closed = scenario === "restore-closed" ? "`invoices` refers to rows that would be gone." : null;
  const whole = what.kind === "everything";
  const amount = totals.new + totals.changed + totals.deleted;
  return {
    headline: none
      ? "Going back loses nothing."
      : `Going back loses ${whole ? "56 minutes of work" : "these changes"}.`,
    lead: none
      ? "Every row is as it was when the backup was taken."
      : `${count(amount, "row change")} would be gone from production. A safety backup, taken first, keeps them.`,
    tables,
    unchanged: none ? 43 : whole ? 37 : 0,
    totals,
    obstacles: closed === null ? [] : ["3 rows of invoices refer to orders that are not in the backup."],
    sessions: 4,
    ways: [
      {
        into: { kind: "target" },
        title: "In place, in one transaction",
        detail:
          "Rows are put back where they are. If anything differs from the backup afterwards, all of it is taken back.",
        closed,
      },
      {
        into: { kind: "swap" },
        title: "Beside it, then swapped",
        detail:
          "A new database is restored and compared, then takes the old one's name. The old one stays as `atelier_before`.",
        closed: whole ? null : "Only everything can be swapped.",
      },
      {
        into: { kind: "new_database", name: "atelier_restored" },
        title: "Into a new database",
        detail: `Nothing that is there is touched. The app goes on with the old one.${what.kind === "tables" ? " Tables that are not chosen are made and stay empty." : ""}`,
        closed:
          what.kind === "rows"
            ? "Single rows go back to where they were. Choose their table for a new database."
            : null,
      },
    ],
    read_at: ago(0),
  };
}

/** Plans that restore, by id: an apply of one of them puts on `restore`. */
const planned = new Map<string, string>();
export const isRestore = (planId: string) => planned.has(planId);

export async function restore(run: Run, { pace, stage }: Pick<Shell, "pace" | "stage">) {
  for (const step of run.steps) {
    stage.step(run, step.index, { status: "started" });
    if (step.verb === "Back up" || step.verb === "Restore")
      for (let part = 1; part <= 4; part += 1) {
        stage.emit(run, {
          kind: "moved",
          index: step.index,
          verb: step.verb === "Back up" ? "stored" : "restored",
          tables_done: Math.floor((43 * part) / 4),
          tables_total: 43,
          bytes: (3.4e9 * part) / 4,
          bytes_total: step.verb === "Back up" ? 3.6e9 : 0,
          seconds: part * 20,
        });
        await wait(pace);
      }
    await wait(pace);
    if (stage.isCancelled(run)) {
      stage.step(run, step.index, { status: "taken_back" });
      stage.end(run, "cancelled", ["Nothing of the target has changed. The backup that was taken first is kept."]);
      return;
    }
    stage.step(run, step.index, { status: "done", seconds: 12 });
  }
  const isBack = run.steps.some((step) => step.verb === "Swap back");
  if (isBack) stage.end(run, "succeeded", ["The database that was there is kept as atelier_restored_20261129_1530."]);
  else
    stage.end(run, "succeeded", [
      "Every row is as it was in the backup.",
      "What was there before is kept in a backup.",
    ]);
}

export function restoreCommands({ scenario, pace, worldOf, worlds, runOf, plan }: Shell): RestoreCommands {
  return {
    async environmentOfRestore(runId) {
      const run = runOf(runId);
      const world = worldOf(run.environment_id);
      const name = planned.get(run.plan_id) ?? "atelier";
      const environment = { ...world.environment, id: name, name, pin: null, runtime: null };
      worlds().push({ ...world, runs: [], environment });
      return ok(environment);
    },
    async restoreLoss(id, request) {
      await wait(pace);
      if (scenario === "restore-slow") await new Promise(() => undefined);
      const { name } = worldOf(id).environment;
      if (scenario === "restore-fails" || (request.other_database !== null && request.other_database !== name))
        return {
          status: "error",
          error: {
            code: scenario === "restore-fails" ? "DRY-1109" : "DRY-1229",
            what:
              scenario === "restore-fails"
                ? "The connection was lost while the rows were compared."
                : "The backup is from another database.",
            why: null,
            unchanged: "Nothing was written.",
            next: "Try again.",
          },
        };
      return ok(loss(scenario, request));
    },
    async restorePlan(id, request) {
      await wait(pace);
      const { into } = request;
      const beside = into.kind === "new_database";
      const database = into.kind === "new_database" ? into.name : "atelier";
      const scope = { kind: "whole" as const };
      const made = plan(worldOf(id), { kind: "restore", words: "everything from the backup of 14:02" }, [
        { kind: "check" },
        ...(into.kind !== "target"
          ? []
          : [
              {
                kind: "back_up" as const,
                backup_id: "b-safety",
                request: { kind: "deep" as const, scope, prove: false, for_plan: null, folder: null },
              },
            ]),
        {
          kind: "restore",
          request,
          sha256: "c41e07d9",
          backup_kind: "deep",
          taken_at: "2026-11-21T14:02:11Z",
          tables: [],
          schemas: [],
          loss: { new: 0, changed: 0, deleted: 0, unknown: 0 },
          beside:
            into.kind === "target"
              ? null
              : {
                  making: `${database}_drydock_1a2b3c4d`,
                  name: database,
                  kept_as: beside ? null : "atelier_before_20261129_1402",
                  form: {
                    owner: null,
                    encoding: "UTF8",
                    collate: "C",
                    ctype: "C",
                    provider: "c",
                    locale: null,
                    rules: null,
                    tablespace: null,
                  },
                  with_owners: true,
                },
        },
        { kind: "verify" },
      ]);
      planned.set(made.plan.id, beside ? database : "atelier_before_20261129_1402");
      const shut = scenario === "restore-gate";
      made.plan.findings = beside
        ? []
        : into.kind === "swap"
          ? [
              {
                check: "swap-late-rows",
                outcome: "warn",
                title:
                  "Rows written until the names are exchanged are not in the new database; they stay in atelier_before_20261129_1402.",
                detail: "",
                migration: null,
                statement: null,
                destructive: true,
              },
              {
                check: "sessions",
                outcome: "warn",
                title: "4 sessions are cut when the names are exchanged: 3 of web (user shop), 1 of psql (user ada).",
                detail: "",
                migration: null,
                statement: null,
                destructive: false,
              },
            ]
          : [
              {
                check: "restore-overwrites",
                outcome: "warn",
                title: "Overwrites what was written since the backup.",
                detail: "What is there now is kept in a backup that is taken first.",
                migration: null,
                statement: null,
                destructive: true,
              },
            ];
      made.gates = made.gates.map((gate) =>
        gate.kind === "fingerprint" && shut
          ? { ...gate, outcome: "block", evidence: "catalogue moved since the comparison" }
          : { ...gate, outcome: "pass" },
      );
      return ok(made);
    },
    async rollBackReport() {
      await wait(pace);
      return ok(
        "# 1 migration rolled back on atelier-production\n\n## What to do in the repository\n\nThe next `prisma migrate deploy` applies it again as long as its folder is there.\n",
      );
    },
    async swapBackPlan(id, runId) {
      await wait(pace);
      const run = runOf(runId);
      const kept = planned.get(run.plan_id) ?? "atelier_before_20261129_1402";
      const away = "atelier_restored_20261129_1530";
      const step = { run_id: runId, run_number: run.number, name: "atelier", kept, kept_oid: 16_402, away };
      const made = plan(worldOf(id), { kind: "swap_back", run_id: runId, kept }, [
        { kind: "check" },
        { kind: "swap_back", ...step },
        { kind: "verify" },
      ]);
      made.plan.findings = [
        {
          check: "swap-late-rows",
          outcome: "warn",
          title: `Rows written since 14:02 are not in the database from before; they stay in ${away}.`,
          detail: "",
          migration: null,
          statement: null,
          destructive: true,
        },
      ];
      planned.set(made.plan.id, away);
      made.gates = made.gates.map((gate) =>
        gate.kind === "dry_run"
          ? {
              ...gate,
              outcome: "warn",
              evidence: "cannot be tried; both names change in one transaction, or none does",
            }
          : { ...gate, outcome: "pass" },
      );
      made.headline = `This makes ${kept} the database atelier again.`;
      made.lead = `It is from before run ${run.number}. The present one is kept as ${away}; both names change in one transaction.`;
      return ok(made);
    },
    async rollBackPlan(id, request) {
      await wait(pace);
      const users = { schema: "public", name: "users" };
      return ok(
        plan(worldOf(id), { kind: "roll_back", migrations: request.migrations }, [
          { kind: "check" },
          {
            kind: "roll_back",
            migrations: request.migrations,
            remove: [{ sql: 'DROP TABLE "public"."avatars"', summary: "Drop avatars", destructive: true }],
            make: [],
            rows: request.rows_back.map((table) => ({ table, columns: null, replace: true })),
            finish: [],
            ledger: [],
            backup: null,
            lost: [{ table: { schema: "public", name: "avatars" }, rows: 12 }],
            written: [
              { table: users, back: request.rows_back.some(({ name }) => name === users.name), closed: null },
              {
                table: { schema: "public", name: "credits" },
                back: false,
                closed: "The rows of credits do not come back: the backup does not hold them.",
              },
            ],
          },
          { kind: "verify" },
        ]),
      );
    },
  };
}
