/**
 * A shell made of memory, for the screens' tests and for drawing. Chosen by the build (`--mode fake`), never in the
 * product. `?scenario=` picks a state: empty, slow, late, late-fails, broken, again, many, lock, sandbox-missing, secret, changed, vault,
 * ssh, those of `fakeSsh`, of `fakeSeeds`, of `fakeChecks`, of `fakeSetup`, of `fakeBackups`,
 * of `fakeRestore` and of `fakeDesk`.
 */
import type {
  commands as shell,
  DryRunReport,
  EnvironmentDraft,
  EnvironmentStatus,
  Failure,
  FailureCode,
  Finding,
  Gate,
  Hop,
  MigrationStatus,
  Overview,
  Plan,
  PlanPurpose,
  PlanReview,
  Result,
  Run,
  RunEvent,
  RunEventKind,
  RunStep,
  SandboxStatus,
  SecretStoreStatus,
  Settings,
  Step,
  SshQuestionEvent,
} from "./bindings";
import { backupCommands } from "./fakeBackupCommands";
import { fakeDesk, ready } from "./fakeDesk";
import { isRestore, restore, restoreCommands } from "./fakeRestore";
import type { FakeStage } from "./fakeStage";
import { lineOf, pinOf, sshChoice, sshWalk, sshWorld, transportFrom } from "./fakeSsh";
import * as rows from "./fakeRows";
import { seedCommands } from "./fakeSeedCommands";
import * as seeds from "./fakeSeeds";
import { setupCommands } from "./fakeSetup";
import * as fake from "./fakeWorld";
import type { FakeMigration, World } from "./fakeWorld";
import { count } from "./format";

const query = new URLSearchParams(location.search);
const scenario = query.get("scenario") ?? "";
const pace = Number(query.get("pace") ?? "60");

/** A host's question, put to whoever watches. */
let put: (event: SshQuestionEvent) => void = () => undefined;
let asked: { id: string; answer: (text: string | null) => void } | null = null;
function ask(text: string): Promise<string | null> {
  return new Promise((done) => {
    asked = { id: "question", answer: done };
    put({ kind: "asked", question: { id: "question", host: "bastion.example.com", text, shown: false } });
  });
}

let worlds: World[] = scenario === "empty" || scenario === "sandbox-missing" ? [] : fake.worlds();
if (scenario === "many" && worlds[0] !== undefined) worlds[0].migrations = fake.manyMigrations();
if (scenario === "changed" && worlds[0] !== undefined) worlds[0].reached = "changed";
if (scenario === "secret" && worlds[0] !== undefined) worlds[0].reached = "secret";
if (scenario === "vault" && worlds[0] !== undefined) worlds[0].reached = "vault";

if (scenario.startsWith("undo") && worlds[0] !== undefined) worlds[0].runs.unshift(seeds.seedRun(worlds[0]));
if (scenario.startsWith("desk")) ready(worlds);
if (scenario.startsWith("ssh")) worlds.unshift(sshWorld(scenario));
const started = Date.now();

const plans = new Map<string, PlanReview>();
const streams = new Map<
  string,
  { events: RunEvent[]; listeners: ((event: RunEvent) => void)[]; done: boolean; cancel: boolean }
>();
let settings: Settings = { theme: "system", rows_kept: { applies: 90, dry_runs: 7 } };
let number = 31;
let runNumber = 152;
const read = new Map<string, number>();
/** Rows that a run changed, and who took it back. */
const changed = new Map<string, rows.FakeChanges>();
const undone = new Map<string, number>();
if (scenario.startsWith("undo")) changed.set("run-152", rows.changesOf(scenario, false));

let vault: SecretStoreStatus = {
  keyring_name: "GNOME Keyring",
  keyring_works: scenario !== "vault",
  keyring_problem: scenario === "vault" ? "No secret service answers on this computer." : null,
  vault_exists: scenario === "vault",
  vault_unlocked: false,
  preferred: scenario === "vault" ? "vault" : "keyring",
};
let sandbox: SandboxStatus = {
  available: scenario !== "sandbox-missing",
  problem: scenario === "sandbox-missing" ? "The bundled PostgreSQL for linux-riscv64 does not exist." : null,
  running: false,
  version: "PostgreSQL 18.4",
  port: null,
  folder: "/home/ops/.local/share/drydock/sandbox",
};

const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));
const ok = <T>(data: T): Result<T, Failure> => ({ status: "ok", data });
const fail = (
  code: FailureCode,
  what: string,
  why: string | null = null,
  unchanged: string | null = null,
  next: string | null = null,
): Result<never, Failure> => ({ status: "error", error: { code, what, why, unchanged, next } });

function worldOf(id: string | null): World {
  const found = worlds.find((world) => world.environment.id === id);
  if (found === undefined) throw new Error(`The fake knows no environment ${id}.`);
  return found;
}

/** What stands in the way of reading a target in this scenario, if anything. */
async function obstacle(world: World, name: string): Promise<Result<never, Failure> | null> {
  const key = `${world.environment.id}/${name}`;
  const times = (read.get(key) ?? 0) + 1;
  read.set(key, times);
  if (scenario === "slow") await new Promise(() => undefined);
  await wait(scenario === "" ? 20 : 5);
  if (scenario === "broken" || (scenario === "again" && times > 1))
    return fail(
      "DRY-1109",
      "The connection was lost while the catalogue was read.",
      "The server closed it after 4.2 s: `terminating connection due to administrator command`.",
      "Nothing was written. The last known state is kept.",
      "Try again; if it stays so, test the connection.",
    );
  if (world.reached === "refused")
    return fail(
      "DRY-1102",
      `Nothing answers at ${world.environment.direct.address.host}, port ${world.environment.direct.address.port}.`,
      "The connection was refused after 31 ms.",
      "Nothing was sent to the database.",
      "Test the connection hop by hop.",
    );
  if (world.reached === "changed")
    return fail(
      "DRY-1201",
      "This is a different database.",
      "The server's system identifier was 739108244150c20f and is 552044910371e7a0. 14 ledger rows that were there before are gone.",
      "Every write is refused.",
      "Compare the databases. Accept this one only after a restore or a move that you know of.",
    );
  if (world.reached === "secret")
    return fail(
      "DRY-1403",
      "The password has to be entered again.",
      "This environment keeps it nowhere.",
      null,
      "Enter the password.",
    );
  if (world.reached === "host_key_unknown")
    return fail(
      "DRY-1111",
      "bastion.example.com shows a key nobody has compared yet.",
      "Without comparing it, nobody knows whether this is your host.",
      "Nothing of yours was sent: no user name, no key, no password.",
      "Compare its fingerprint with whoever runs the host.",
    );
  if (world.reached === "host_key_changed" || world.reached === "host_key_refused")
    return fail(
      world.reached === "host_key_changed" ? "DRY-1112" : "DRY-1113",
      "The key of bastion.example.com is not the one on record.",
      "Either the host was set up anew, or this is not your host.",
      "Nothing of yours was sent: no user name, no key, no password.",
      "Ask whoever runs the host.",
    );
  if (world.reached === "ssh_secret")
    return fail(
      "DRY-1124",
      "The secret of the SSH login deploy@bastion.example.com is asked for at each start.",
      "It is kept nowhere.",
      null,
      "Enter it.",
    );
  if (world.reached === "vault")
    return fail(
      "DRY-1402",
      "The vault is locked.",
      "The password is kept in it.",
      "Nothing was sent.",
      "Unlock the vault.",
    );
  return null;
}

const pendingOf = (world: World) =>
  world.migrations.filter((migration) => migration.state === "pending" || migration.state === "rolled_back");
const failedOf = (world: World) => world.migrations.find((migration) => migration.state === "failed");

function statusWord(world: World): EnvironmentStatus | null {
  if (world.reached === "refused") return "stale";
  if (world.reached.startsWith("host_key") || world.reached === "line_lost") return "block";
  if (world.environment.pin === null) return null;
  if (world.runs.some((run) => run.status === "running")) return "running";
  if (failedOf(world) !== undefined || world.reached === "pooler") return "block";
  return pendingOf(world).length > 0 ? "warn" : "pass";
}

function status(world: World): MigrationStatus {
  const next = pendingOf(world).map((migration) => migration.name);
  const failed = failedOf(world);
  const counted = (state: string) => world.migrations.filter((migration) => migration.state === state).length;
  return {
    headline:
      failed !== undefined
        ? `1 migration failed halfway and holds back ${next.length} others.`
        : next.length > 0
          ? `${count(next.length, "migration")} ${next.length === 1 ? "is" : "are"} waiting.`
          : "Files, ledger and live schema agree.",
    lead: "In the order a deploy would use. Where the three disagree, the cell is marked.",
    folder: world.environment.migrations?.folder ?? "",
    ledger: { kind: "present" },
    migrations: world.migrations.map((migration) => {
      const at = next.indexOf(migration.name);
      return fake.row(migration, at === -1 ? null : at + 1);
    }),
    next_apply: next,
    findings:
      counted("edited") > 0
        ? [
            {
              check: "edited-after-apply",
              outcome: "warn",
              title: "1 file was changed after it was applied.",
              detail: "`migrate deploy` passes over it; a new database would be made differently.",
              migration: "20260318101500_credit_ledger",
              statement: null,
              destructive: false,
            },
          ]
        : [],
    foreign_ledgers: [],
    lock_holder: null,
    prisma_exit_code: next.length > 0 || failed !== undefined ? 1 : 0,
    ledger_ids: [],
    read_at: fake.ago(0),
  };
}

function overview(world: World): Overview {
  const pending = pendingOf(world).length;
  const failed = failedOf(world);
  const attention = world.runs.find((run) => run.status === "needs_attention");
  const fresh = world.environment.migrations === null;
  const drifted = world.drifted && !fresh;
  const last = world.runs[0];
  const base = {
    next_subject: null,
    identity: world.environment.pin?.identity ?? null,
    round_trips: 3,
    read_at: fake.ago(0),
  };
  const cards: Overview["cards"] = [
    {
      instrument: "connection",
      outcome: world.reached === "pooler" ? "block" : "pass",
      figure: world.environment.sandbox ? "0.4" : "41",
      unit: "ms round trip",
      detail:
        world.reached === "pooler"
          ? "The address leads to the transaction pooler."
          : "Every hop answers. Encrypted, certificate checked in full.",
      read_at: fake.ago(0),
      running: null,
    },
    {
      instrument: "migrations",
      outcome: fresh ? null : failed !== undefined ? "block" : pending > 0 ? "warn" : "pass",
      figure: fresh ? null : String(failed !== undefined || pending > 0 ? pending : world.migrations.length),
      unit: fresh ? "no folder chosen" : pending > 0 ? "waiting" : "applied",
      detail: fresh
        ? "Choose the folder that holds the migrations."
        : failed !== undefined
          ? "1 failed halfway and holds them back."
          : pending > 0
            ? "Nothing stands in their way."
            : "Files, ledger and live schema agree.",
      read_at: fresh ? null : fake.ago(0),
      running: null,
    },
    {
      instrument: "drift",
      outcome: fresh ? null : drifted ? "block" : "pass",
      figure: fresh ? null : drifted ? "3" : "0",
      unit: drifted ? "dangerous differences" : "differences",
      detail: drifted
        ? "1 could not be compared. 9 cosmetic ones do not matter."
        : "The live schema is what its migrations make.",
      read_at: fresh ? null : fake.ago(world.environment.id === "staging" ? 9_000 : 180),
      running: null,
    },
    {
      instrument: "activity",
      outcome: "warn",
      figure: "1",
      unit: "session blocks 4",
      detail: "atelier-worker sits idle in a transaction and holds `users`.",
      read_at: fake.ago(4),
      running: null,
    },
    {
      instrument: "runs",
      outcome: attention !== undefined ? "unknown" : "pass",
      figure: String(world.runs.length),
      unit: world.runs.length === 1 ? "run" : "runs",
      detail:
        attention !== undefined
          ? `Run ${attention.number} needs attention.`
          : last === undefined
            ? "Nothing has been run from this console."
            : `Run ${last.number} ${last.status}.`,
      read_at: fake.ago(0),
      running: world.runs.find((run) => run.status === "running")?.status ?? null,
    },
  ];
  if (world.reached === "pooler")
    return {
      ...base,
      cards,
      headline: "The database is reached, but this is the pooler.",
      lead: "Migrations need a session of their own. The app may stay on port 6543.",
      next: "open_doctor",
      next_title: "Find the address that migrations can use.",
      next_detail: "Tests hop by hop; nothing is written.",
    };
  if (fresh)
    return {
      ...base,
      cards,
      headline: "The database answers. Its migrations are not known yet.",
      lead: "Drydock compares files, ledger and live schema; it needs the folder with the files.",
      next: "choose_migrations",
      next_title: "Choose the folder with the migrations.",
      next_detail: "For example `prisma/migrations` of the project. Files are only read.",
    };
  if (failed !== undefined)
    return {
      ...base,
      cards,
      headline: world.drifted
        ? "The app expects 6 tables that the database does not have. 4 migrations are waiting."
        : "A migration failed halfway.",
      lead: `\`${failed.name}\` stopped at statement 6 of 7 and holds the others back.`,
      next: "open_repair",
      next_subject: failed.name,
      next_title: "Repair the failed migration. The waiting ones cannot start before it.",
      next_detail: "You will see the repair before anything is written.",
    };
  if (pending > 0)
    return {
      ...base,
      cards,
      headline: `${count(pending, "migration")} ${pending === 1 ? "is" : "are"} waiting. Nothing stands in the way.`,
      lead: "Everything else is as it should be.",
      next: "plan_pending",
      next_title: `Plan ${count(pending, "migration")}, then try them.`,
      next_detail: "Making a plan writes nothing.",
    };
  return {
    ...base,
    cards,
    headline: "All is well. Every migration is in.",
    lead: "The live schema is what its migrations make, and the ledger agrees.",
    next: "nothing",
    next_title: "Nothing waits.",
    next_detail: "Read again to be sure; it only reads.",
  };
}

function stepsOf(world: World, purpose: PlanPurpose): Step[] {
  const migrate = (migration: FakeMigration): Step => ({
    kind: "migrate",
    name: migration.name,
    checksum: fake.digest(migration.sql),
    ledger_id: fake.digest(migration.name).slice(0, 36),
    script: fake.script(migration.sql),
    bytes: migration.sql.length,
  });
  if (purpose.kind === "apply_pending")
    return [{ kind: "check" }, ...pendingOf(world).map(migrate), { kind: "verify" }];
  const migration = failedOf(world);
  if (migration === undefined) return [{ kind: "check" }, { kind: "verify" }];
  const way = fake.repair(migration).ways.find((one) => one.purpose.kind === purpose.kind);
  return [
    { kind: "check" },
    { kind: "run_statements", migration: migration.name, statements: way?.statements ?? [], atomic: true },
    { kind: "resolve", migration: migration.name, roll_back_rows: ["row-1"], insert_applied: null },
    { kind: "verify" },
  ];
}

function gates(plan: Plan, report: DryRunReport | null): Gate[] {
  const production = plan.tier === "production";
  return [
    {
      kind: "identity",
      title: "Same database",
      outcome: "pass",
      evidence: `id ${plan.identity.system_identifier?.slice(0, 4)}…, read now`,
      can_override: false,
    },
    {
      kind: "fingerprint",
      title: "Plan fits the present state",
      outcome: "pass",
      evidence: "ledger, catalogue and files unchanged",
      can_override: false,
    },
    report === null
      ? { kind: "dry_run", title: "Dry run", outcome: "block", evidence: "not tried yet", can_override: false }
      : { kind: "dry_run", title: "Dry run", outcome: "pass", evidence: "worked, taken back", can_override: false },
    {
      kind: "restore_point",
      title: "Restore point",
      outcome: production ? "unknown" : "pass",
      evidence: production ? "none that is newer than this plan" : "not asked for here",
      can_override: production,
    },
    {
      kind: "findings",
      title: "No blocking finding",
      outcome: "pass",
      evidence: `${count(plan.findings.length, "finding")}, none blocks`,
      can_override: false,
    },
    {
      kind: "locks",
      title: "Longest lock",
      outcome: report === null ? "unknown" : "pass",
      evidence: report === null ? "known after the dry run" : "0.24 s on users, limit 1 s",
      can_override: false,
    },
  ];
}

function review(plan: Plan, report: DryRunReport | null): PlanReview {
  if (plan.purpose.kind === "seed" || plan.purpose.kind === "undo")
    return {
      plan,
      dry_run: report,
      gates: gates(plan, report),
      ...seeds.words(plan.purpose, report?.changes ?? null, plan.number),
    };
  const migrations = plan.steps.filter((step) => step.kind === "migrate").length;
  return {
    plan,
    dry_run: report,
    gates: gates(plan, report),
    headline:
      report === null
        ? `Plan ${plan.number} ${migrations > 0 ? `applies ${count(migrations, "migration")}` : "repairs the failed migration"}. It has not been tried yet.`
        : "The dry run worked. Nothing has changed.",
    lead:
      report === null
        ? "A dry run executes it on the database and takes everything back."
        : `Plan ${plan.number} ran for 1.9 s and was taken back. This is what applying it does.`,
  };
}

function rowsReport(plan: Plan, runId: string): DryRunReport {
  const made = rows.changesOf(scenario, plan.purpose.kind === "undo");
  changed.set(runId, made);
  return {
    run_id: runId,
    plan_id: plan.id,
    digest: plan.digest,
    at: fake.ago(0),
    seconds: 0.8,
    rehearsal_seconds: 0,
    trials: [],
    worked: true,
    objects: [],
    rows: [],
    locks: [],
    longest_block_seconds: 0.01,
    space: null,
    taken_back: true,
    unknowns: [],
    changes: made.changes,
  };
}

function dryRunReport(plan: Plan, runId: string): DryRunReport {
  if (plan.purpose.kind === "seed" || plan.purpose.kind === "undo") return rowsReport(plan, runId);
  const names = plan.steps.flatMap((step) =>
    step.kind === "migrate" ? [step.name] : step.kind === "run_statements" ? [step.migration] : [],
  );
  const isRepair = plan.purpose.kind !== "apply_pending";
  const made = (
    kind: "table" | "index" | "constraint" | "column",
    name: string,
    action: "create" | "alter" | "drop" = "create",
  ) => ({ action, kind, name: `public.${name}`, detail: "" });
  return {
    run_id: runId,
    plan_id: plan.id,
    digest: plan.digest,
    at: fake.ago(0),
    seconds: 1.9,
    rehearsal_seconds: 0,
    trials: names.map((migration) => ({
      migration,
      tried: "dry_run",
      worked: true,
      seconds: 0.4,
      note: null,
      failed_statement: null,
    })),
    worked: true,
    objects: isRepair
      ? [made("column", "users.email_lower", "drop")]
      : [
          ...["avatars", "avatar_generations", "model_routes"].map((name) => made("table", name)),
          made("index", "avatars_user_id_idx"),
          made("constraint", "avatars_user_id_fkey"),
          made("constraint", "avatar_generations_project_id_fkey"),
          made("constraint", "model_routes_model_id_fkey"),
          made("column", "feature_flags.scope"),
          made("column", "feature_flags.enabled_for", "drop"),
        ],
    rows: isRepair
      ? []
      : [
          {
            table: "public.feature_flags",
            inserted: 0,
            updated: 24,
            deleted: 0,
            rewritten: false,
            known: true,
            note: null,
          },
        ],
    locks: isRepair
      ? [
          {
            table: "public.users",
            mode: "AccessExclusiveLock",
            waits: "readers_and_writers",
            migration: names[0] ?? "",
            from_seconds: 0.02,
            held_seconds: 0.03,
            dry_run_seconds: 0.05,
          },
        ]
      : [
          {
            table: "public.users",
            mode: "ShareRowExclusiveLock",
            waits: "writers",
            migration: names[0] ?? "",
            from_seconds: 0.46,
            held_seconds: 0.24,
            dry_run_seconds: 1.44,
          },
          {
            table: "public.projects",
            mode: "ShareRowExclusiveLock",
            waits: "writers",
            migration: names[1] ?? "",
            from_seconds: 1.12,
            held_seconds: 0.18,
            dry_run_seconds: 0.78,
          },
          {
            table: "public.ai_models",
            mode: "ShareRowExclusiveLock",
            waits: "writers",
            migration: names[2] ?? "",
            from_seconds: 1.59,
            held_seconds: 0.11,
            dry_run_seconds: 0.31,
          },
          ...(names.length > 3
            ? [
                {
                  table: "public.feature_flags",
                  mode: "AccessExclusiveLock",
                  waits: "readers_and_writers" as const,
                  migration: names[3] ?? "",
                  from_seconds: 1.82,
                  held_seconds: 0.08,
                  dry_run_seconds: 0.08,
                },
              ]
            : []),
        ],
    longest_block_seconds: isRepair ? 0.05 : 1.44,
    space:
      "The database grew by 38.2 MB during the dry run; at most 1.2 GB were allowed (10 % of 12.0 GB free on the server's disk). The server reuses the space after its next vacuum; the write-ahead log is not counted.",
    taken_back: true,
    unknowns: [],
  };
}

function makePlan(world: World, purpose: PlanPurpose, steps: Step[] = stepsOf(world, purpose)): PlanReview {
  number += 1;
  const replaces = steps.some(
    (step) =>
      step.kind === "seed" &&
      step.writes.kind === "tables" &&
      step.writes.blocks.some((block) => block.mode.kind === "replace"),
  );
  const findings: Finding[] = replaces
    ? [
        rows.finding(
          "replace",
          "warn",
          "Deletes every row of `orders` that is not in the profile.",
          "They can be brought back by undoing the run.",
          true,
        ),
      ]
    : purpose.kind === "apply_pending"
      ? pendingOf(world).flatMap(fake.findings)
      : purpose.kind === "undo_failed"
        ? [
            {
              check: "drop-column",
              outcome: "warn",
              title: "Drops `users.email_lower` with 18,204 values.",
              detail: "They were filled from `users.email` and can be made again.",
              migration: purpose.migration,
              statement: 1,
              destructive: true,
            },
          ]
        : [];
  const plan: Plan = {
    id: `plan-${number}`,
    number,
    environment_id: world.environment.id,
    environment_name: world.environment.name,
    tier: world.environment.tier,
    purpose,
    created_at: fake.ago(0),
    identity: world.environment.pin?.identity ?? {
      system_identifier: null,
      database_oid: 1,
      database: world.environment.direct.address.database,
      address: world.environment.direct.address.host,
      server_version: 180_004,
    },
    schema: "public",
    fingerprint: { ledger: fake.digest("ledger"), catalogue: fake.digest("catalogue"), files: fake.digest("files") },
    rules: world.environment.rules,
    folder: world.environment.migrations?.folder ?? "",
    steps,
    findings,
    risk: "Low: short locks, one column dropped.",
    digest: fake.digest(`plan ${number}`),
  };
  const made = review(plan, null);
  plans.set(plan.id, made);
  return made;
}

function emit(run: Run, what: RunEventKind) {
  const stream = streams.get(run.id);
  if (stream === undefined) return;
  const event: RunEvent = { run_id: run.id, sequence: stream.events.length + 1, at: fake.ago(0), what };
  stream.events.push(event);
  for (const listener of stream.listeners) listener(event);
}

function setStep(run: Run, index: number, change: Partial<RunStep>) {
  const step = run.steps[index];
  if (step === undefined) return;
  Object.assign(step, change);
  emit(run, { kind: "step", step: { ...step } });
}

function end(run: Run, status: Run["status"], aftermath: string[]) {
  run.status = status;
  run.ended_at = fake.ago(0);
  run.aftermath = aftermath;
  emit(run, { kind: "status", status });
  const stream = streams.get(run.id);
  if (stream !== undefined) stream.done = true;
}

const verbs: Record<Step["kind"], string> = {
  check: "Check",
  create_ledger: "Create ledger",
  migrate: "Migrate",
  run_statements: "Repair",
  resolve: "Resolve",
  seed: "Seed",
  undo: "Undo",
  call: "Call",
  back_up: "Back up",
  import: "Import",
  prove: "Prove",
  restore: "Restore",
  swap_back: "Swap back",
  roll_back: "Roll back",
  verify: "Verify",
};

function stepTitle(step: Step, kind: Run["kind"]): string {
  const reads = kind === "back_up" || kind === "import" || kind === "prove";
  switch (step.kind) {
    case "check":
      return reads ? "Same database, plan fits the present state" : "identity, ledger, catalogue and files";
    case "create_ledger":
      return "_prisma_migrations";
    case "migrate":
      return step.name;
    case "seed":
    case "call":
      return step.title;
    case "undo":
      return count(step.rows, "row change");
    case "back_up":
      return step.request.scope.kind === "whole"
        ? `the whole database, ${step.request.kind}`
        : `some tables, ${step.request.kind}`;
    case "import":
      return step.origin.name;
    case "prove":
      return "Restore on a scratch database and compare";
    case "restore":
      return "everything of the backup";
    case "swap_back":
      return `${step.kept} is ${step.name} again`;
    case "roll_back":
      return step.migrations.join(", ");
    case "verify":
      return reads
        ? "Keep the result"
        : kind === "dry_run"
          ? "everything is taken back"
          : "ledger and catalogue as planned";
    default:
      return step.migration;
  }
}

/** Puts a run on: its steps queued, its stream open. */
function beginRun(world: World, plan: Plan, kind: Run["kind"], title: string): Run {
  runNumber += 1;
  /* As the engine has it: a dry run of rows is one step. */
  const ofRows = plan.steps.filter((step) => step.kind === "seed" || step.kind === "undo");
  const reads = kind === "back_up" || kind === "import" || kind === "prove";
  const run: Run = {
    ...fake.blankRun(`run-${runNumber}`, runNumber, world, "running", title),
    plan_id: plan.id,
    kind,
    steps: (kind === "dry_run" && ofRows.length > 0 ? ofRows : plan.steps).map((step, index) => ({
      index,
      verb:
        kind === "dry_run" && (step.kind === "seed" || step.kind === "undo")
          ? "Dry run"
          : reads && step.kind === "verify"
            ? "Record"
            : verbs[step.kind],
      title: stepTitle(step, kind),
      status: "queued",
      seconds: null,
      note: null,
    })),
  };
  world.runs.unshift(run);
  streams.set(run.id, { events: [], listeners: [], done: false, cancel: false });
  emit(run, { kind: "status", status: "running" });
  return run;
}

const stage: FakeStage = {
  begin: beginRun,
  emit,
  step: setStep,
  end,
  isCancelled: (run) => streams.get(run.id)?.cancel === true,
};

function startRun(world: World, plan: Plan, kind: "dry_run" | "apply"): Run {
  const migrations = plan.steps.filter((step) => step.kind === "migrate").length;
  const what =
    plan.purpose.kind === "seed"
      ? `seed ${plan.purpose.title}`
      : plan.purpose.kind === "undo"
        ? `the undo of run ${plan.purpose.run_number}`
        : migrations > 0
          ? count(migrations, "migration")
          : "the repair";
  const run = beginRun(world, plan, kind, kind === "dry_run" ? `Dry run of ${what}` : `Apply ${what}`);
  void perform(world, plan, run);
  return run;
}

async function perform(world: World, plan: Plan, run: Run) {
  const stream = streams.get(run.id);
  const migrations = run.steps.filter((step) => step.verb === "Migrate");
  const ofRows = plan.purpose.kind === "seed" || plan.purpose.kind === "undo";
  for (const step of run.steps) {
    setStep(run, step.index, { status: "started" });
    if (step.verb === "Migrate" && run.kind === "apply" && scenario === "lock" && step === migrations[2]) {
      for (let attempt = 1; attempt <= 8 && stream?.cancel !== true; attempt += 1) {
        setStep(run, step.index, { status: "waiting", note: "no lock on ai_models within 1 s" });
        emit(run, {
          kind: "waiting",
          index: step.index,
          blockers: [
            {
              pid: 4182,
              application: "atelier-worker",
              user: "atelier",
              state: "idle in transaction",
              seconds: 1_324,
              relation: "ai_models",
            },
          ],
          attempt,
          attempts: 8,
        });
        if (attempt < 4) await wait(pace);
        else while (stream !== undefined && !stream.cancel) await wait(50);
      }
    }
    if (ofRows)
      for (const done of [7, 14, 21]) {
        const rows: RunEventKind = {
          kind: "rows",
          index: step.index,
          table: "public.ai_models",
          done,
          total: 21,
          all_done: done,
          all: 21,
          seconds: 0.2,
        };
        emit(run, rows);
        await wait(scenario === "lock" ? 400 : pace);
      }
    await wait(pace);
    if (stream?.cancel === true) {
      setStep(run, step.index, { status: "taken_back" });
      for (const later of run.steps.slice(step.index + 1)) setStep(run, later.index, { status: "not_run" });
      const done = migrations.filter((one) => one.status === "done").length;
      end(run, "cancelled", [
        `${step.title} was taken back.`,
        done > 0 ? `${count(done, "migration")} stay in.` : "Nothing has changed.",
      ]);
      return;
    }
    setStep(run, step.index, { status: "done", seconds: 0.2 + step.index * 0.11 });
    if (step.verb === "Migrate")
      emit(run, {
        kind: "progress",
        index: step.index,
        migrations_done: migrations.filter((one) => one.status === "done").length,
        migrations_total: migrations.length,
        statement: null,
        statements_total: 3,
        seconds: 0.3,
      });
    if (run.kind === "apply") {
      const migration = world.migrations.find((one) => one.name === step.title);
      if (migration !== undefined && step.verb === "Migrate") {
        migration.state = "applied";
        migration.live = [migration.live[1], migration.live[1]];
      }
      if (migration !== undefined && step.verb === "Resolve") {
        migration.state =
          plan.purpose.kind === "undo_failed" || plan.purpose.kind === "mark_rolled_back" ? "rolled_back" : "applied";
        migration.live = migration.state === "applied" ? [7, 7] : [0, 7];
        if (migration.state === "rolled_back") migration.sql = migration.sql.replace("COMMIT;\n", "");
      }
    }
  }
  if (run.kind === "dry_run") {
    const tried = review(plan, dryRunReport(plan, run.id));
    plans.set(plan.id, tried);
    end(run, "succeeded", ["Everything was taken back; nothing has changed."]);
  } else if (plan.purpose.kind === "seed" || plan.purpose.kind === "undo") {
    const { purpose } = plan;
    changed.set(run.id, rows.changesOf(scenario, purpose.kind === "undo"));
    end(run, "succeeded", ["Every row is as the dry run showed.", "What was there before is kept."]);
    if (purpose.kind === "seed") seeds.applied(world, purpose.profile, run);
    else undone.set(purpose.run_id, run.number);
  } else {
    if (pendingOf(world).length === 0) {
      world.drifted = false;
      for (const older of world.runs) if (older.status === "needs_attention") older.status = "failed";
    }
    end(run, "succeeded", [
      migrations.length > 0 ? `${count(migrations.length, "migration")} are in.` : "The failed migration is settled.",
      "Ledger and catalogue are as the plan said.",
    ]);
  }
}

function runOf(id: string): Run {
  for (const world of worlds) for (const run of world.runs) if (run.id === id) return run;
  throw new Error(`The fake knows no run ${id}.`);
}

function fromDraft(draft: EnvironmentDraft, id: string): World["environment"] {
  const made = fake.environment(
    id,
    draft.name,
    draft.tier,
    draft.direct.address,
    { days: 0, system: "880213477110be02" },
    draft.migrations_folder,
  );
  return {
    ...made,
    colour: draft.colour,
    rules: draft.rules,
    sandbox: made.sandbox && draft.transport?.kind !== "ssh",
    transport: transportFrom(draft.transport),
    runtime:
      draft.runtime === null
        ? null
        : { address: draft.runtime.address, password: { id: `${id}-runtime`, kept: "keyring" } },
  };
}

async function test(
  world: Pick<World, "reached">,
  target: World["environment"]["direct"]["address"],
  transport: World["environment"]["transport"] | EnvironmentDraft["transport"],
  onHop: (hop: Hop) => void,
) {
  const line = sshWalk(transport, world.reached, target);
  const tunnelled = line.hops.length > 0;
  const cut = line.explanation !== null;
  const own = fake
    .hops(world, target)
    .filter((hop) => !tunnelled || (hop.kind !== "name_lookup" && hop.kind !== "tcp"))
    .map((hop) => (cut ? { ...hop, outcome: null, evidence: "not reached", milliseconds: null } : hop))
    .map((hop) =>
      tunnelled && !cut && hop.kind === "tls" && target.tls === "off"
        ? {
            ...hop,
            outcome: "pass" as const,
            evidence: "off: the database is on the SSH host, and the tunnel is encrypted",
          }
        : hop,
    );
  const hops = [...line.hops, ...own];
  for (const hop of hops) {
    await wait(scenario === "slow" ? 1e8 : pace / 2);
    onHop(hop);
  }
  const counted = (outcome: Hop["outcome"]) => hops.filter((hop) => hop.outcome === outcome).length;
  const explanation =
    line.explanation ?? (counted("warn") + counted("block") > 0 ? fake.explanation(world, target) : null);
  const blocked = counted("block") > 0;
  return ok({
    headline: cut
      ? line.hostKey !== null
        ? "The SSH host is reached, but its key is not trusted."
        : "The SSH host is not reached."
      : world.reached === "refused"
        ? "The database does not answer."
        : blocked
          ? "The database is reached, but this is the pooler."
          : counted("warn") > 0
            ? "The database is reached. One thing is worth a look."
            : "The database is reached, and everything fits.",
    lead: `${hops.length} hops in 0.22 s: ${counted("pass")} pass, ${counted("warn")} warns, ${blocked ? 1 : 0} blocks.`,
    hops,
    explanation,
    identity: null,
    round_trip_ms: 41,
    usable: !blocked,
    host_key: line.hostKey,
  });
}

const desk = fakeDesk({
  scenario,
  worldOf,
  obstacle,
  review: (planId) => plans.get(planId),
  plan: (world) => makePlan(world, { kind: "apply_pending" }),
  tried(planId) {
    const found = plans.get(planId);
    if (found !== undefined) plans.set(planId, review(found.plan, dryRunReport(found.plan, "run-150")));
  },
  apply: (planId, confirmation) => commands.planApply(planId, confirmation),
});

export const commands: typeof shell = {
  async environmentsList() {
    if (scenario === "broken-list")
      return fail(
        "DRY-1501",
        "The console's own store could not be read.",
        "database disk image is malformed",
        "No database was touched.",
        "Close Drydock and open it again.",
      );
    return ok(
      worlds.map((world) => ({
        id: world.environment.id,
        name: world.environment.name,
        tier: world.environment.tier,
        colour: world.environment.colour,
        sandbox: world.environment.sandbox,
        status: statusWord(world),
      })),
    );
  },
  environmentGet: async (id) => ok(worldOf(id).environment),
  async environmentCreate(draft) {
    if (worlds.some((world) => world.environment.name === draft.name))
      return fail(
        "DRY-1003",
        "There is an environment of this name already.",
        null,
        "Nothing was saved.",
        "Choose another name.",
      );
    const id = `made-${worlds.length}`;
    worlds.push({ environment: fromDraft(draft, id), reached: "well", migrations: [], runs: [], drifted: false });
    return ok(worldOf(id).environment);
  },
  async environmentUpdate(id, draft) {
    const world = worldOf(id);
    world.environment = { ...fromDraft(draft, id), pin: world.environment.pin };
    if (draft.direct.address.port !== 6543 && world.reached === "pooler") world.reached = "well";
    return ok(world.environment);
  },
  async environmentDuplicate(id) {
    const world = worldOf(id);
    const copy = `${id}-copy-${worlds.length}`;
    worlds.push({
      ...world,
      runs: [],
      environment: { ...world.environment, id: copy, name: `${world.environment.name}-copy`, pin: null },
    });
    return ok(worldOf(copy).environment);
  },
  async environmentReorder(ids) {
    worlds.sort((one, other) => ids.indexOf(one.environment.id) - ids.indexOf(other.environment.id));
    return ok(null);
  },
  async environmentDelete(id, typedName) {
    const world = worldOf(id);
    if (world.environment.tier === "production" && typedName !== world.environment.name)
      return fail("DRY-1205", "The typed name does not match.");
    worlds = worlds.filter((one) => one !== world);
    return ok(null);
  },
  async addressParse(text) {
    const match = /^postgres(?:ql)?:\/\/([^:@/]+)(?::([^@]*))?@([^:/?]+)(?::(\d+))?\/?([^?]*)(?:\?(.*))?$/.exec(
      text.trim(),
    );
    if (match === null)
      return fail(
        "DRY-1001",
        "This is not a database address.",
        "It does not begin with `postgresql://`, or its host is missing.",
        "Nothing was kept.",
        "Paste it as the app has it.",
      );
    const [, user = "", password, host = "", port = "5432", database = "", parameters = ""] = match;
    const address = fake.address(host, Number(port), user, database === "" ? user : database);
    return ok({
      address,
      password: password === undefined || password === "" ? null : "pending-1",
      recognised:
        Number(port) === 6543
          ? "PostgreSQL behind a transaction pooler, port 6543"
          : `PostgreSQL, direct, port ${port}`,
      parameters: parameters
        .split("&")
        .filter(Boolean)
        .map((pair) => ({
          name: pair.split("=")[0] ?? "",
          effect: "has no meaning for Drydock.",
          used: pair.startsWith("sslmode"),
        })),
      warnings:
        Number(port) === 6543 ? ["This address leads to the transaction pooler; migrations need another one."] : [],
      direct_suggestion: Number(port) === 6543 ? { ...address, port: 5432, says_pooler: false } : null,
    });
  },
  passwordSet: async () => ok("pending-2"),
  secretStoreStatus: async () => ok(vault),
  async vaultCreate() {
    vault = { ...vault, vault_exists: true, vault_unlocked: true };
    return ok(vault);
  },
  async vaultUnlock(passphrase) {
    if (passphrase !== "open sesame")
      return fail("DRY-1402", "The passphrase is not the vault's.", null, "The vault stays locked.", "Type it again.");
    vault = { ...vault, vault_unlocked: true };
    for (const world of worlds) if (world.reached === "vault") world.reached = "well";
    return ok(vault);
  },
  async secretProvide(environmentId) {
    worldOf(environmentId).reached = "well";
    return ok(null);
  },
  sshQuestions: async (onEvent) => {
    put = (event) => onEvent.onmessage(event);
    return ok(null);
  },
  async sshAnswer(id, text) {
    if (asked?.id !== id) return fail("DRY-1702", "The host does not wait for this answer any more.");
    asked.answer(text);
    return ok(null);
  },
  connectionTest: async (id, onHop) => {
    if (scenario === "ssh-question") await ask("Verification code: ");
    return test(worldOf(id), worldOf(id).environment.direct.address, worldOf(id).environment.transport, (hop) =>
      onHop.onmessage(hop),
    );
  },
  connectionTestDraft: (draft, id, onHop) =>
    test(id === null ? { reached: "well" } : worldOf(id), draft.direct.address, draft.transport, (hop) =>
      onHop.onmessage(hop),
    ),
  sshFound: async () => ok({ aliases: ["bastion", "harbour"], key_files: ["/home/ops/.ssh/id_ed25519"], agent: true }),
  sshChoice: async (draft) => ok(sshChoice(draft)),
  hostKeyPin: async (report) =>
    report.verdict === "unknown"
      ? ok(pinOf(report.host, report.port))
      : fail("DRY-1112", "Only a key that nobody knows yet can be confirmed."),
  async hostKeyTrust(id, report) {
    const world = worldOf(id);
    const { transport } = world.environment;
    if (report.verdict !== "unknown" || transport?.kind !== "ssh")
      return fail("DRY-1112", "Only a key that nobody knows yet can be confirmed.");
    const pins = [...transport.access.pins, pinOf(report.host, report.port)];
    world.environment = { ...world.environment, transport: { kind: "ssh", access: { ...transport.access, pins } } };
    world.reached = "well";
    return ok(null);
  },
  lineStatus: async (id) => ok(lineOf(worldOf(id), started)),
  async identityRepin(id, typedName) {
    const world = worldOf(id);
    if (typedName !== world.environment.name) return fail("DRY-1205", "The typed name does not match.");
    world.reached = "well";
    return ok(world.environment);
  },
  filePick: async () => ok("/home/ops/clients.csv"),
  dumpPick: async () => ok("/home/ops/nightly.dump"),
  folderPick: async () => ok("/home/ops/atelier/prisma/migrations"),
  async migrationsChoose(id, folder) {
    const world = worldOf(id);
    world.environment = { ...world.environment, migrations: { folder } };
    if (world.migrations.length === 0) world.migrations = fake.manyMigrations().slice(-4);
    return ok(world.environment);
  },
  async overviewRead(id) {
    return (await obstacle(worldOf(id), "overview")) ?? ok(overview(worldOf(id)));
  },
  async migrationStatus(id) {
    const world = worldOf(id);
    const stopped = await obstacle(world, "migrations");
    if (stopped !== null) return stopped;
    return world.environment.migrations === null
      ? fail("DRY-1301", "No migrations folder is chosen.", null, null, "Choose the folder with the migrations.")
      : ok(status(world));
  },
  async migrationDetail(id, name) {
    const found = worldOf(id).migrations.find((migration) => migration.name === name);
    await wait(10);
    return found === undefined ? fail("DRY-1212", "There is no such migration.") : ok(fake.detail(found));
  },
  async repairExamine(id, name) {
    const stopped = await obstacle(worldOf(id), "repair");
    if (stopped !== null) return stopped;
    const found = worldOf(id).migrations.find((migration) => migration.name === name && migration.state === "failed");
    return found === undefined
      ? fail("DRY-1213", "This migration has not failed.", null, null, "Open the migrations.")
      : ok(fake.repair(found));
  },
  async driftCompare(id) {
    const stopped = await obstacle(worldOf(id), "drift");
    if (stopped !== null) return stopped;
    desk.compared(worldOf(id));
    return ok(fake.drift(worldOf(id)));
  },
  async planCreate(id, purpose) {
    return (await obstacle(worldOf(id), "plan")) ?? ok(makePlan(worldOf(id), purpose));
  },
  async planGet(planId) {
    const found = plans.get(planId);
    return found === undefined
      ? fail("DRY-1503", "This plan does not exist any more.", null, null, "Make a new plan.")
      : ok(desk.fresh(found));
  },
  async planDryRun(planId) {
    const found = plans.get(planId);
    if (found === undefined) return fail("DRY-1503", "This plan does not exist any more.");
    const frozen = desk.refuses(found.plan.environment_id ?? "");
    if (frozen !== null) return frozen;
    return ok(startRun(worldOf(found.plan.environment_id), found.plan, "dry_run").id);
  },
  async planApply(planId, confirmation) {
    const found = plans.get(planId);
    if (found === undefined) return fail("DRY-1503", "This plan does not exist any more.");
    const frozen = desk.refuses(found.plan.environment_id ?? "");
    if (frozen !== null) return frozen;
    if (found.plan.rules.typed_confirmation && confirmation.typed_name !== found.plan.environment_name)
      return fail(
        "DRY-1205",
        "The typed name does not match.",
        null,
        "Nothing was written.",
        "Type the environment's name.",
      );
    const world = worldOf(found.plan.environment_id);
    if (isRestore(planId)) {
      const { purpose } = found.plan;
      const title = purpose.kind === "swap_back" ? `Go back to ${purpose.kept}` : "Restore a backup";
      const run = beginRun(world, found.plan, "apply", title);
      for (const step of run.steps)
        if (step.verb === "Prove") Object.assign(step, { verb: "Restore", title: "the backup" });
      void restore(run, { pace, stage });
      return ok(run.id);
    }
    const run = startRun(world, found.plan, "apply");
    run.confirmation = confirmation;
    return ok(run.id);
  },
  runGet: async (id) => ok(structuredClone(runOf(id))),
  runsList: async (id, search) =>
    ok(
      worlds
        .filter((world) => id === null || world.environment.id === id)
        .flatMap((world) => world.runs)
        .filter((run) =>
          `${run.number} ${run.title} ${run.status} ${run.environment_name}`
            .toLowerCase()
            .includes(search.toLowerCase()),
        )
        .map((run) => ({
          id: run.id,
          number: run.number,
          kind: run.kind,
          environment_name: run.environment_name,
          title: run.title,
          status: run.status,
          started_at: run.started_at,
          seconds: run.ended_at === null ? null : (Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000,
        })),
    ),
  runEvents: async (id) => ok(streams.get(id)?.events ?? fake.events(runOf(id))),
  async runWatch(id, onEvent) {
    const stream = streams.get(id);
    if (stream === undefined) {
      for (const event of fake.events(runOf(id))) onEvent.onmessage(event);
      return ok(null);
    }
    for (const event of stream.events) onEvent.onmessage(event);
    stream.listeners.push((event) => onEvent.onmessage(event));
    while (!stream.done) await wait(10);
    return ok(null);
  },
  async runCancel(id) {
    const stream = streams.get(id);
    if (stream !== undefined) stream.cancel = true;
    return ok("The run stops. What the migration at work did is taken back; what is in stays in.");
  },
  async runExamine(id) {
    await wait(scenario === "slow" ? 1e8 : 20);
    return ok(fake.examination(structuredClone(runOf(id))));
  },
  runStopOnServer: async () => ok(null),
  sandboxStatus: async () => ok(sandbox),
  async sandboxStart() {
    await wait(pace);
    sandbox = { ...sandbox, running: true, port: 54_321 };
    return ok(sandbox);
  },
  async sandboxStop() {
    sandbox = { ...sandbox, running: false, port: null };
    return ok(sandbox);
  },
  async sandboxReset() {
    sandbox = { ...sandbox, running: false, port: null };
    return ok(sandbox);
  },
  async demoStart() {
    await wait(pace * 4);
    sandbox = { ...sandbox, running: true, port: 54_321 };
    if (!worlds.some((world) => world.environment.id === "demo")) worlds.push(fake.demo());
    return ok(worldOf("demo").environment);
  },
  ...seedCommands({
    scenario,
    pace,
    changed,
    undone,
    worldOf,
    runOf,
    obstacle,
    plan: makePlan,
    sandbox() {
      sandbox = { ...sandbox, running: true, port: 54_321 };
      if (!worlds.some((world) => world.environment.id === "demo")) worlds.push(fake.demo());
      return worldOf("demo");
    },
  }),
  ...setupCommands(scenario),
  ...backupCommands({ scenario, pace, worldOf, worlds: () => worlds, obstacle, plan: makePlan, stage }),
  ...restoreCommands({ scenario, pace, worldOf, worlds: () => worlds, runOf, plan: makePlan, stage }),
  ...desk.commands,
  settingsGet: async () => ok(settings),
  async settingsSet(chosen) {
    settings = chosen;
    return ok(settings);
  },
  auditVerify: async () => ok("The chain of 2,214 entries holds, from 3 March to today."),
};
