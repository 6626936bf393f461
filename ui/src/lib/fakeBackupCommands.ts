/** The fake shell's commands for backups and their runs; their data is in `fakeBackups`. In no production bundle. */
import type {
  BackupRequest,
  commands as shell,
  Failure,
  FailureCode,
  PlanPurpose,
  PlanReview,
  Result,
  Run,
  Step,
} from "./bindings";
import * as backups from "./fakeBackups";
import { chosen, preview } from "./fakeBackupPreview";
import type { FakeBackup } from "./fakeBackups";
import { ago, type World } from "./fakeWorld";
import { importPreview, originOf } from "./fakeImport";
import type { FakeStage } from "./fakeStage";
import { bytes, whole } from "./format";

/** What the fake shell lends to them. */
type Shell = {
  scenario: string;
  pace: number;
  worldOf: (id: string | null) => World;
  worlds: () => World[];
  obstacle: (world: World, name: string) => Promise<Result<never, Failure> | null>;
  plan: (world: World, purpose: PlanPurpose, steps: Step[]) => PlanReview;
  stage: FakeStage;
};

type Names =
  | "backupShelf"
  | "backupDetail"
  | "backupPreview"
  | "backupStart"
  | "backupForPlan"
  | "importPreview"
  | "importStart"
  | "backupProve"
  | "backupRemove"
  | "backupPolicySet"
  | "backupKeysExport"
  | "backupKeysImport";

const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));
const ok = <T>(data: T): Result<T, Failure> => ({ status: "ok", data });
const fail = (
  code: FailureCode,
  what: string,
  why: string | null = null,
  unchanged: string | null = null,
  next: string | null = null,
): Result<never, Failure> => ({ status: "error", error: { code, what, why, unchanged, next } });

const cancelled: Failure = {
  code: "DRY-1215",
  what: "Cancelled by the operator.",
  why: null,
  unchanged: "What was stored so far was removed; the database was only read.",
  next: null,
};

const differs: Failure = {
  code: "DRY-1230",
  what: "The backup was stored, but it could not be proven.",
  why: "Rows of credit_ledger are not those that were stored.",
  unchanged: "The database was only read.",
  next: "Open the backup: it tells what differed. Do not count on it before that is settled.",
};

export function backupCommands(lent: Shell): Pick<typeof shell, Names> {
  const { scenario, pace, worldOf, worlds, obstacle, plan, stage } = lent;
  let drawn = 0;
  let reads = 0;

  function find(id: string): { world: World; found: FakeBackup } | null {
    for (const world of worlds()) {
      const found = backups.keptOf(world, scenario).backups.find((one) => one.view.id === id);
      if (found !== undefined) return { world, found };
    }
    return null;
  }

  /** Tells how far it is, table by table; false: it was cancelled. */
  async function move(run: Run, index: number, verb: string, size: number, total: number, held: number) {
    for (let part = 1; part <= 8; part += 1) {
      stage.emit(run, {
        kind: "moved",
        index,
        verb,
        tables_done: Math.floor((held * part) / 8),
        tables_total: held,
        bytes: (size * part) / 8,
        bytes_total: total,
        seconds: part * 9.5,
      });
      await wait(pace);
      if (stage.isCancelled(run)) return false;
    }
    return true;
  }

  /** False: it was cancelled. */
  async function prove(run: Run, index: number, found: FakeBackup) {
    const { view } = found;
    const before = view.proof;
    view.proof = "proving";
    stage.step(run, index, { status: "started" });
    const whole =
      (await move(run, index, "restored", view.bytes * 3, 0, view.tables)) &&
      (await move(run, index, "compared", 0, 0, view.tables));
    if (!whole) {
      view.proof = before;
      return false;
    }
    found.proof = backups.proofOf(view.kind, ago(0), scenario === "backups-differs");
    view.proof = found.proof.state;
    view.proof_at = found.proof.at;
    const held = view.proof === "proven";
    stage.step(run, index, {
      status: held ? "done" : "failed",
      seconds: 160,
      note: held ? "restored and equal in every row" : "restored, and not equal",
    });
    return true;
  }

  function stop(run: Run, status: "cancelled" | "failed", failure: Failure) {
    for (const step of run.steps)
      if (step.status === "queued" || step.status === "started")
        stage.step(run, step.index, {
          status: step.status === "queued" ? "not_run" : "failed",
          note: step.status === "queued" ? null : failure.what,
        });
    run.failure = failure;
    stage.emit(run, { kind: "failed", failure });
    stage.end(run, status, ["The database was only read."]);
  }

  async function take(run: Run, found: FakeBackup, request: BackupRequest) {
    const { view } = found;
    const { tables } = chosen(request);
    const rows = tables.reduce((total, table) => total + table.rows, 0);
    stage.step(run, 0, { status: "done", seconds: 0.4, note: "same database" });
    stage.step(run, 1, { status: "started" });
    if (!(await move(run, 1, "stored", rows * 170, rows * 190, tables.length))) {
      view.state = "broken";
      view.holds = cancelled.what;
      found.failure = cancelled;
      return stop(run, "cancelled", cancelled);
    }
    Object.assign(view, {
      state: "complete",
      holds: `${tables.length} tables`,
      tables: tables.length,
      rows,
      bytes: rows * 170,
    });
    stage.step(run, 1, {
      status: "done",
      seconds: 76,
      note: `${tables.length} tables, ${whole(rows)} rows, ${bytes(view.bytes)} by ${request.kind === "deep" ? "pg_dump 18.4" : "COPY"}`,
    });
    const proving = run.steps.findIndex((step) => step.verb === "Prove");
    if (proving !== -1 && !(await prove(run, proving, found))) return stop(run, "cancelled", cancelled);
    const last = run.steps.length - 1;
    const note =
      view.proof === "proven" ? "stored, and proven by restoring it" : proving === -1 ? "stored, not proven yet" : null;
    if (note === null) return stop(run, "failed", differs);
    stage.step(run, last, { status: "done", note });
    stage.end(run, "succeeded", ["The database was only read."]);
  }

  async function load(run: Run, found: FakeBackup) {
    const { view } = found;
    stage.step(run, 0, { status: "done", note: "an archive of pg_dump, 3.2 GB" });
    stage.step(run, 1, { status: "started" });
    if (!(await move(run, 1, "loaded", 3.2e9, 0, 43))) {
      const kept = backups.keptOf(worldOf(view.environment_id), scenario);
      kept.backups = kept.backups.filter((one) => one !== found);
      return stop(run, "cancelled", cancelled);
    }
    Object.assign(view, { state: "complete", holds: "43 tables", tables: 43, rows: 18_417_408, bytes: 3.2e9 });
    stage.step(run, 1, { status: "done", seconds: 81, note: "43 tables, 18417408 rows, 3.2 GB" });
    const proving = run.steps.findIndex((step) => step.verb === "Prove");
    if (proving !== -1 && !(await prove(run, proving, found))) return stop(run, "cancelled", cancelled);
    stage.step(run, run.steps.length - 1, {
      status: "done",
      note: proving === -1 ? "stored, not proven yet" : "stored, and proven by restoring it",
    });
    stage.end(run, "succeeded", ["No database but a scratch one was touched."]);
  }

  async function proveAgain(run: Run, found: FakeBackup) {
    stage.step(run, 0, { status: "done", note: "the backup is here, and so is its key" });
    if (!(await prove(run, 1, found)))
      return stop(run, "cancelled", { ...cancelled, unchanged: "The backup is as it was, and still unproven." });
    stage.step(run, 2, { status: "done", note: "the result is recorded" });
    if (found.view.proof === "proven") stage.end(run, "succeeded", ["The database was only read."]);
    else stop(run, "failed", { ...differs, what: "The backup could not be proven." });
  }

  return {
    async backupShelf(id) {
      if (scenario === "slow") await new Promise(() => undefined);
      await wait(5);
      reads += 1;
      if (scenario === "backups-broken" || (scenario === "again" && reads > 1))
        return fail(
          "DRY-1501",
          "The console's own store could not be read.",
          "database disk image is malformed",
          "No database and no backup was touched.",
          "Close Drydock and open it again.",
        );
      return ok(backups.shelf(worldOf(id), scenario));
    },
    async backupDetail(id) {
      await wait(10);
      const one = find(id);
      return one === null
        ? fail("DRY-1227", "There is no such backup.", null, "Nothing was changed.", "Choose another backup.")
        : ok(backups.detail(one.world, one.found));
    },
    async backupPreview(id, request) {
      await wait(pace / 2);
      return (
        (await obstacle(worldOf(id), "backup")) ??
        ok(preview(worldOf(id).environment.name, backups.keptOf(worldOf(id), scenario).policy, scenario, request))
      );
    },
    async backupForPlan(planId) {
      await wait(pace);
      return ok({
        kind: "deep" as const,
        scope: { kind: "whole" as const },
        prove: true,
        for_plan: planId,
        folder: null,
      });
    },
    async backupStart(id, request) {
      if (scenario.startsWith("late")) await wait(1_500);
      if (scenario === "late-fails") return fail("DRY-1102", "The database does not answer.");
      const world = worldOf(id);
      drawn += 1;
      const found = backups.backup(world, `b-made-${drawn}`, request.kind, 0, {
        state: "taking",
        holds: "being taken",
        bytes: 0,
        tables: 0,
        rows: 0,
      });
      const { plan: made } = plan(world, { kind: "back_up", words: `a ${request.kind} backup of the whole database` }, [
        { kind: "check" },
        { kind: "back_up", backup_id: found.view.id, request },
        ...(request.prove ? [{ kind: "prove" as const, backup_id: found.view.id }] : []),
        { kind: "verify" },
      ]);
      const words = request.scope.kind === "whole" ? "the whole database" : `${chosen(request).tables.length} tables`;
      const run = stage.begin(world, made, "back_up", `Take a ${request.kind} backup of ${words}`);
      found.view.run_id = run.id;
      found.view.run_number = run.number;
      backups.keptOf(world, scenario).backups.unshift(found);
      void take(run, found, request);
      return ok(run.id);
    },
    async importPreview(id, path) {
      await wait(pace / 2);
      const folder = backups.shelf(worldOf(id), scenario).folder;
      return ok(importPreview(path, folder));
    },
    async importStart(id, request) {
      const world = worldOf(id);
      drawn += 1;
      const origin = originOf(request.path);
      const found = backups.backup(world, `b-imported-${drawn}`, "deep", 0, {
        state: "taking",
        holds: "being taken",
        bytes: 0,
        tables: 0,
        rows: 0,
        imported: `imported from ${origin.name}`,
        knows_database: false,
      });
      const { plan: made } = plan(world, { kind: "import", words: origin.name }, [
        { kind: "check" },
        { kind: "import", backup_id: found.view.id, path: request.path, origin },
        ...(request.prove ? [{ kind: "prove" as const, backup_id: found.view.id }] : []),
        { kind: "verify" },
      ]);
      const run = stage.begin(world, made, "import", `Import ${origin.name}`);
      found.view.run_id = run.id;
      found.view.run_number = run.number;
      backups.keptOf(world, scenario).backups.unshift(found);
      void load(run, found);
      return ok(run.id);
    },
    async backupProve(id, backupId) {
      const one = find(backupId);
      if (one === null) return fail("DRY-1227", "There is no such backup.");
      const world = worldOf(id);
      const { plan: made } = plan(world, { kind: "prove", words: "the backup" }, [
        { kind: "check" },
        { kind: "prove", backup_id: backupId },
        { kind: "verify" },
      ]);
      const run = stage.begin(world, made, "prove", "Prove the backup");
      void proveAgain(run, one.found);
      return ok(run.id);
    },
    async backupRemove(id, backupId) {
      const world = worldOf(id);
      const kept = backups.keptOf(world, scenario);
      kept.backups = kept.backups.filter((one) => one.view.id !== backupId);
      return ok(backups.shelf(world, scenario));
    },
    async backupPolicySet(id, policy) {
      const world = worldOf(id);
      if (policy.daily_at !== null && !/^([01]\d|2[0-3]):[0-5]\d$/.test(policy.daily_at))
        return fail(
          "DRY-1802",
          "This is no time of day.",
          null,
          "The settings are as they were.",
          "Type it as 02:00, from 00:00 to 23:59.",
        );
      backups.keptOf(world, scenario).policy = policy;
      return ok(backups.shelf(world, scenario));
    },
    async backupKeysExport(path) {
      await wait(pace);
      if (path.includes("taken"))
        return fail(
          "DRY-1801",
          `${path} is there already.`,
          null,
          "No file was written.",
          "Choose another name; nothing is written over.",
        );
      backups.exported();
      return ok(1);
    },
    async backupKeysImport() {
      await wait(pace);
      for (const world of worlds()) for (const one of backups.keptOf(world, scenario).backups) one.view.has_key = true;
      return ok(2);
    },
  };
}
