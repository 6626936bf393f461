/**
 * Backups of the fake shell. Scenarios: backups-states (every state there is), backups-broken (the store cannot be
 * read), backups-nowhere (no key can be kept), vault (the vault with the key is locked), again (the second reading
 * fails), backups-large (too large to prove by itself), backups-refused (it cannot be taken), backups-differs (a proof
 * finds a difference). In no production bundle.
 */
import type {
  BackupDetail,
  BackupKeyState,
  BackupKind,
  BackupPolicy,
  BackupShelf,
  BackupView,
  Failure,
  Proof,
  ProofFact,
} from "./bindings";
import { FREE, leftOutOf, sum, tables } from "./fakeBackupPreview";
import { ago, digest, type World } from "./fakeWorld";
import { count, timeOfDay } from "./format";

const HOUR = 3600;
const DAY = 24 * HOUR;
const GB = 1e9;

export type FakeBackup = { view: BackupView; proof: Proof | null; seconds: number; failure: Failure | null };
type Kept = { backups: FakeBackup[]; policy: BackupPolicy };

export function proofOf(kind: BackupKind, at: string, differs = false): Proof {
  const held = kind === "deep" ? tables : tables.slice(0, 4);
  const all = held.length;
  const good = (title: string, figure: string): ProofFact => ({ title, outcome: "pass", figure, differences: [] });
  const rows = differs
    ? {
        title: "Row hashes are the same",
        outcome: "block" as const,
        figure: `${all - 1} of ${all}`,
        differences: ["Rows of credit_ledger are not those that were stored."],
      }
    : good("Row hashes are the same", `${all} of ${all}`);
  return {
    state: differs ? "failed" : "proven",
    at,
    seconds: kind === "deep" ? 160 : 2.2,
    server: "PostgreSQL 18.4 of the sandbox",
    facts: [
      good("Files are what was stored", "3 of 3"),
      good("It can be restored", "all of it"),
      good("Row counts are the same", String(sum(held))),
      rows,
      ...(kind === "deep"
        ? [good("Sequences are the same", "31 of 31"), good("Schema is the same", "212 of 212")]
        : []),
    ],
    notes:
      kind === "deep"
        ? ["Restored on another major: the backup is of PostgreSQL 15.8, the scratch server is PostgreSQL 18.4."]
        : ["A quick backup holds rows, so rows were compared; the schema around them is not in it."],
  };
}

const unknownProof = (at: string): Proof => ({
  state: "unknown",
  at,
  seconds: 0.4,
  server: "PostgreSQL 18.4 of the sandbox",
  facts: [
    { title: "Files are what was stored", outcome: "pass", figure: "3 of 3", differences: [] },
    {
      title: "It can be restored",
      outcome: "unknown",
      figure: "not known",
      differences: ["The sandbox did not start. No room is left on this computer."],
    },
  ],
  notes: [],
});

const noRoom: Failure = {
  code: "DRY-1803",
  what: "The disk was full.",
  why: "1.6 GB were needed, 40 MB were free in /home/ops/backups/atelier-production.",
  unchanged: "The database was only read. What was stored so far was removed.",
  next: "Make room, or choose another folder for backups.",
};

export function backup(
  world: World,
  id: string,
  kind: BackupKind,
  seconds: number,
  more: Partial<BackupView> & { proven?: number; failure?: Failure } = {},
): FakeBackup {
  const { proven, failure = null, ...view } = more;
  const held = kind === "deep" ? tables : tables.slice(0, 4);
  const proof = proven === undefined ? null : proofOf(kind, ago(proven));
  return {
    view: {
      id,
      environment_id: world.environment.id,
      environment_name: world.environment.name,
      kind,
      state: "complete",
      taken_at: ago(seconds),
      holds: count(held.length, "table"),
      tables: held.length,
      rows: sum(held),
      bytes: kind === "deep" ? 3.4 * GB : 4.1e6,
      proof: proof?.state ?? "unproven",
      proof_at: proof?.at ?? null,
      run_id: null,
      run_number: null,
      imported: null,
      knows_database: true,
      has_key: true,
      ...view,
    },
    proof,
    seconds: kind === "deep" ? 112 : 1.4,
    failure,
  };
}

function everyState(world: World): FakeBackup[] {
  const failed = backup(world, "b-failed", "deep", 3 * HOUR, { proof: "failed", proof_at: ago(2 * HOUR) });
  failed.proof = proofOf("deep", ago(2 * HOUR), true);
  const unknown = backup(world, "b-unknown", "deep", 4 * HOUR, { proof: "unknown", proof_at: ago(4 * HOUR - 60) });
  unknown.proof = unknownProof(ago(4 * HOUR - 60));
  const gone = { state: "gone" as const, holds: "its folder is gone", proven: 29 * HOUR };
  return [
    backup(world, "b-taking", "deep", 70, { state: "taking", holds: "being taken", bytes: 0, tables: 0, rows: 0 }),
    backup(world, "b-proving", "deep", 700, { proof: "proving" }),
    failed,
    unknown,
    backup(world, "b-gone", "deep", 30 * HOUR, gone),
    backup(world, "b-nokey", "deep", 31 * HOUR, {
      proven: 30 * HOUR,
      has_key: false,
      imported: "imported from nightly",
    }),
  ];
}

function production(world: World, scenario: string): FakeBackup[] {
  const broken = { state: "broken" as const, holds: noRoom.what, bytes: 0, tables: 0, rows: 0, failure: noRoom };
  return [
    ...(scenario === "backups-states" ? everyState(world) : []),
    backup(world, "b-quick", "quick", 6 * 60, { proven: 5 * 60, run_id: "run-148", run_number: 148 }),
    backup(world, "b-new", "deep", 12 * 60, { proven: 9 * 60 }),
    backup(world, "b-deep", "deep", 56 * 60, { proven: 25 * 60 }),
    backup(world, "b-night", "deep", 13 * HOUR, { proven: 12.9 * HOUR }),
    backup(world, "b-broken", "deep", 37 * HOUR, broken),
    backup(world, "b-unproven", "deep", 4 * DAY, { bytes: 3.3 * GB }),
    backup(world, "b-old", "deep", 12 * DAY, { bytes: 3.3 * GB, proven: 12 * DAY - 360 }),
  ];
}

const kept = new Map<string, Kept>();
const recipient = "age1q8w4pv0x5c7m2k9d3s6h1j0tz7ynqf4r8ulce5gw2a9xkm3p6s0qv7d4tn";
let exportedAt: string | null = null;

export function keptOf(world: World, scenario: string): Kept {
  const { id } = world.environment;
  const found = kept.get(id) ?? {
    backups:
      id === "production"
        ? production(world, scenario)
        : id === "staging"
          ? [backup(world, "s-1", "deep", 60 * HOUR, { bytes: 0.4 * GB, proven: 59.9 * HOUR })]
          : [],
    policy: {
      folder: "",
      keep_days: 30,
      keep_count: 0,
      keep_gb: 0,
      daily_at: id === "production" ? "02:00" : null,
      old_after_hours: 26,
      prove_up_to_mb: 4096,
    },
  };
  kept.set(id, found);
  return found;
}

export function exported() {
  exportedAt = ago(0);
}

function keyState(scenario: string): BackupKeyState {
  const problem = (code: Failure["code"], what: string, why: string | null, next: string) => ({
    recipient: scenario === "vault" ? recipient : null,
    exported_at: null,
    problem: { code, what, why, unchanged: "Nothing was stored.", next },
  });
  if (scenario === "vault")
    return problem(
      "DRY-1402",
      "The vault with the key of the backups is locked.",
      null,
      "Unlock the vault in Settings.",
    );
  if (scenario === "backups-nowhere")
    return problem(
      "DRY-1228",
      "Backups are encrypted, and this computer keeps no key.",
      "The keyring does not work: No secret service answers on this computer. There is no vault either.",
      "Set up the vault in Settings.",
    );
  return { recipient, exported_at: exportedAt, problem: null };
}

export function shelf(world: World, scenario: string): BackupShelf {
  const { backups, policy } = keptOf(world, scenario);
  const views = backups.map((one) => ({ ...one.view }));
  const complete = views.filter((view) => view.state === "complete");
  const newest =
    complete.find((view) => view.kind === "deep" && view.knows_database && view.proof === "proven" && view.has_key) ??
    null;
  const hours = newest === null ? 0 : (Date.now() - Date.parse(newest.taken_at)) / HOUR / 1000;
  const old = policy.old_after_hours > 0 && hours > policy.old_after_hours;
  return {
    headline:
      newest === null
        ? complete.length > 0
          ? "No full backup of this database is proven yet."
          : "There is no backup yet."
        : old
          ? `The newest full backup to trust is ${Math.floor(hours)} hours old.`
          : `The newest full backup to trust is from ${timeOfDay(newest.taken_at, false)}.`,
    lead: "Proven means restored on a scratch copy and compared, row by row.",
    backups: [...views].sort((one, other) => Date.parse(other.taken_at) - Date.parse(one.taken_at)),
    newest_proven: newest?.id ?? null,
    outcome: newest === null || old ? "warn" : "pass",
    due:
      policy.daily_at === null
        ? "None is taken by itself."
        : `The next one is taken at ${policy.daily_at}, if Drydock is open then.`,
    key: keyState(scenario),
    policy,
    used_bytes: complete.reduce((total, view) => total + view.bytes, 0),
    free_bytes: FREE,
    folder: "/home/ops/.local/share/drydock/backups/atelier-production",
    read_at: ago(0),
  };
}

export function detail(world: World, found: FakeBackup): BackupDetail {
  const { view } = found;
  const stored = view.state === "complete" || view.state === "gone";
  const held = view.kind === "deep" ? tables : tables.slice(0, 4);
  const identity = world.environment.pin?.identity;
  return {
    backup: view,
    proof: found.proof,
    tool: !stored
      ? null
      : view.kind === "deep"
        ? { name: "pg_dump", version: "18.4", place: "the toolkit" }
        : { name: "COPY", version: "PostgreSQL 15.8", place: "our own connection" },
    source: !stored
      ? ""
      : `${identity?.database ?? "demo"} on PostgreSQL 15.8, id ${identity?.system_identifier?.slice(0, 4) ?? "?"}…c20f`,
    seconds: stored ? found.seconds : null,
    files: stored ? "3, checksums are compared before each use" : "none",
    sha256: stored ? digest(view.id) : null,
    folder: stored ? `/home/ops/.local/share/drydock/backups/${world.environment.name}/${view.id}` : "",
    tables: view.state === "complete" ? held : [],
    left_out: view.state === "complete" ? leftOutOf(view.kind) : [],
    failure: found.failure,
  };
}
