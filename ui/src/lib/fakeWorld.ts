/** Data of the fake shell: made-up environments, migrations and answers. In no production bundle. */
import type {
  Address,
  DriftReport,
  Environment,
  Examination,
  Explanation,
  Finding,
  Hop,
  HopKind,
  LedgerRow,
  MigrationDetail,
  MigrationRow,
  MigrationState,
  PlanPurpose,
  RepairReport,
  Run,
  RunEvent,
  RunStatus,
  RunStep,
  Script,
  Statement,
  TargetIdentity,
  Tier,
} from "./bindings";
import { rulesFor } from "./environment";

export const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
const DAY = 86_400;

export type FakeMigration = { name: string; sql: string; state: MigrationState; done?: number; live: [number, number] };

export type World = {
  environment: Environment;
  reached:
    | "well"
    | "pooler"
    | "refused"
    | "changed"
    | "secret"
    | "vault"
    | "host_key_unknown"
    | "host_key_changed"
    | "host_key_refused"
    | "line_lost"
    | "ssh_secret";
  migrations: FakeMigration[];
  runs: Run[];
  drifted: boolean;
};

const digest = (seed: string) => {
  let state = 2166136261;
  for (const character of seed) state = Math.imul(state ^ character.charCodeAt(0), 16777619);
  let text = "";
  while (text.length < 64) {
    state = Math.imul(state ^ (state >>> 13), 1274126177) >>> 0;
    text += state.toString(16).padStart(8, "0");
  }
  return text.slice(0, 64);
};

export const usersEmail = `-- Users sign in with their e-mail address whatever its case.
ALTER TABLE "users" ADD COLUMN "email_lower" text;
UPDATE "users" SET "email_lower" = lower("email");
ALTER TABLE "users" ALTER COLUMN "email_lower" SET NOT NULL;
COMMIT;
DROP INDEX "users_email_key";
CREATE UNIQUE INDEX "users_email_lower_key"
  ON "users" ("email_lower");
ALTER TABLE "users" ADD CONSTRAINT "users_email_lower_check"
  CHECK ("email_lower" = lower("email"));
`;

const avatars = `CREATE TABLE "avatars" (
  "id" uuid PRIMARY KEY,
  "user_id" uuid NOT NULL,
  "persona_name" text NOT NULL DEFAULT 'untitled',
  "created_at" timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX "avatars_user_id_idx" ON "avatars" ("user_id");
ALTER TABLE "avatars" ADD CONSTRAINT "avatars_user_id_fkey"
  FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE;
`;

const generations = `CREATE TABLE "avatar_generations" (
  "id" uuid PRIMARY KEY,
  "avatar_id" uuid NOT NULL,
  "project_id" uuid NOT NULL
);
ALTER TABLE "avatar_generations" ADD CONSTRAINT "avatar_generations_project_id_fkey"
  FOREIGN KEY ("project_id") REFERENCES "projects" ("id");
`;

const routes = `CREATE TABLE "model_routes" (
  "id" uuid PRIMARY KEY,
  "model_id" uuid NOT NULL
);
ALTER TABLE "model_routes" ADD CONSTRAINT "model_routes_model_id_fkey"
  FOREIGN KEY ("model_id") REFERENCES "ai_models" ("id");
`;

const flags = `ALTER TABLE "feature_flags" ADD COLUMN "scope" text NOT NULL DEFAULT 'team';
ALTER TABLE "feature_flags" DROP COLUMN "enabled_for";
`;

const old = (name: string): FakeMigration => ({
  name,
  sql: `CREATE TABLE "${name.slice(15)}" (\n  "id" uuid PRIMARY KEY\n);\n`,
  state: "applied",
  live: [1, 1],
});

const history = [
  "20250911084500_init",
  "20250918120200_projects",
  "20251002091000_styles",
  "20251014153000_sessions",
  "20251103101800_ai_models",
  "20251120140000_credits",
  "20260108113000_invitations",
  "20260204090500_style_search",
].map(old);

const waiting = (): FakeMigration[] => [
  { name: "20260610101500_avatars", sql: avatars, state: "pending", live: [0, 9] },
  { name: "20260611093000_avatar_generations", sql: generations, state: "pending", live: [0, 8] },
  { name: "20260612140000_model_routes", sql: routes, state: "pending", live: [0, 5] },
  { name: "20260614111500_feature_flags_scope", sql: flags, state: "pending", live: [0, 2] },
];

const troubled = (): FakeMigration[] => [
  ...history.map((migration) => ({ ...migration })),
  { ...old("20260318101500_credit_ledger"), state: "edited", live: [5, 5] },
  { ...old("20260420160000_drop_legacy_styles"), state: "missing", live: [2, 2] },
  { name: "20260609171200_users_email_lower", sql: usersEmail, state: "failed", done: 3, live: [3, 7] },
  ...waiting(),
];

export const manyMigrations = (): FakeMigration[] =>
  Array.from({ length: 430 }, (_, index) => {
    const month = String(1 + (Math.floor(index / 28) % 12)).padStart(2, "0");
    const day = String(1 + (index % 28)).padStart(2, "0");
    return old(
      `${2023 + Math.floor(index / 336)}${month}${day}0900${String(index % 60).padStart(2, "0")}_change_${index + 1}`,
    );
  }).concat(waiting());

export const address = (host: string, port: number, user: string, database: string): Address => ({
  host,
  port,
  user,
  database,
  schema: "public",
  tls: host === "127.0.0.1" ? "off" : "verify_full",
  roots: { kind: "system" },
  connect_timeout_seconds: 5,
  says_pooler: port === 6543,
  settings: [],
});

const identity = (
  host: string,
  oid: number,
  system: string,
  version = 150_008,
  database = "atelier",
): TargetIdentity => ({
  system_identifier: system,
  database_oid: oid,
  database,
  address: host,
  server_version: version,
});

export function environment(
  id: string,
  name: string,
  tier: Tier,
  access: Address,
  pinned: { days: number; system: string; version?: number } | null,
  folder: string | null = "/home/ops/atelier/prisma/migrations",
): Environment {
  return {
    id,
    name,
    tier,
    colour: "tier",
    runtime: null,
    direct: { address: access, password: { id: `${id}-password`, kept: "keyring" } },
    rules: rulesFor(tier),
    migrations: folder === null ? null : { folder },
    pin:
      pinned === null
        ? null
        : {
            identity: identity(`${access.host}:${access.port}`, 16_402, pinned.system, pinned.version, access.database),
            pinned_at: ago(pinned.days * DAY),
            ledger_ids: [],
          },
    sandbox: access.host === "127.0.0.1",
    created_at: ago((pinned?.days ?? 0) * DAY),
  };
}

export const demo = (): World => ({
  environment: {
    ...environment(
      "demo",
      "demo",
      "development",
      address("127.0.0.1", 54_321, "demo", "demo"),
      {
        days: 0,
        system: "7702413399019d13",
        version: 180_004,
      },
      "/home/ops/.local/share/drydock/sandbox/demo/migrations",
    ),
  },
  reached: "well",
  migrations: [
    ...history.slice(0, 4).map((migration) => ({ ...migration })),
    { name: "20260609171200_users_email_lower", sql: usersEmail, state: "failed", done: 3, live: [3, 7] },
    ...waiting().slice(0, 3),
  ],
  runs: [],
  drifted: true,
});

export function worlds(): World[] {
  const production = environment(
    "production",
    "atelier-production",
    "production",
    address("db.example.com", 5432, "migrate", "atelier"),
    { days: 263, system: "739108244150c20f" },
  );
  production.runtime = {
    address: address("db.example.com", 6543, "atelier", "atelier"),
    password: { id: "production-runtime", kept: "keyring" },
  };
  return [
    {
      environment: production,
      reached: "well",
      migrations: troubled(),
      runs: [attentionRun(), succeededRun(), failedRun()],
      drifted: true,
    },
    {
      environment: environment(
        "eu",
        "atelier-eu",
        "production",
        address("db-eu.example.com", 6543, "migrate", "atelier"),
        {
          days: 201,
          system: "441809127700a7d2",
        },
      ),
      reached: "pooler",
      migrations: troubled().map((migration) => ({ ...migration, state: "applied" })),
      runs: [],
      drifted: false,
    },
    {
      environment: environment(
        "staging",
        "atelier-staging",
        "staging",
        address("db-staging.example.com", 5432, "migrate", "atelier"),
        { days: 225, system: "6120774450a104be" },
      ),
      reached: "well",
      migrations: [...history.map((migration) => ({ ...migration })), ...waiting()],
      runs: [],
      drifted: false,
    },
    {
      environment: environment(
        "preview",
        "preview-nila",
        "development",
        address("preview.example.com", 5432, "nila", "atelier_nila"),
        { days: 12, system: "512200918233aa10" },
      ),
      reached: "refused",
      migrations: history.map((migration) => ({ ...migration })),
      runs: [],
      drifted: false,
    },
    {
      environment: environment(
        "fresh",
        "fresh",
        "development",
        address("127.0.0.1", 5432, "postgres", "fresh"),
        null,
        null,
      ),
      reached: "well",
      migrations: [],
      runs: [],
      drifted: false,
    },
  ];
}

function statements(sql: string): Statement[] {
  const found: Statement[] = [];
  let line = 1;
  let at = 0;
  for (const part of sql.split(/;\n/)) {
    const text = part.replace(/^(\s*--[^\n]*\n)+/, "").trim();
    const start = at + part.indexOf(text);
    if (text !== "") {
      const table = /(?:TABLE|UPDATE|ON)\s+"(\w+)"/.exec(text)?.[1] ?? "users";
      const strong = /ALTER TABLE|DROP/.test(text) && !/FOREIGN KEY/.test(text);
      found.push({
        number: found.length + 1,
        line: line + (part.slice(0, part.indexOf(text)).match(/\n/g)?.length ?? 0),
        start,
        end: start + text.length,
        summary: summary(text),
        kind: text === "COMMIT" ? "transaction_control" : "ordinary",
        locks:
          text === "COMMIT" || text.startsWith("CREATE TABLE")
            ? []
            : [
                {
                  table,
                  mode: strong ? "AccessExclusiveLock" : "ShareRowExclusiveLock",
                  waits: strong ? "readers_and_writers" : "writers",
                },
              ],
        effects: [],
      });
    }
    line += (part.match(/\n/g)?.length ?? 0) + 1;
    at += part.length + 2;
  }
  return found;
}

function summary(text: string): string {
  const name = (pattern: RegExp) => pattern.exec(text)?.[1] ?? "";
  if (text === "COMMIT") return "Commit";
  if (text.startsWith("CREATE TABLE")) return `Create table ${name(/TABLE "(\w+)"/)}`;
  if (text.startsWith("CREATE UNIQUE INDEX")) return `Unique index ${name(/INDEX "(\w+)"/)}`;
  if (text.startsWith("CREATE INDEX")) return `Index ${name(/INDEX "(\w+)"/)}`;
  if (text.startsWith("DROP INDEX")) return `Drop index ${name(/INDEX "(\w+)"/)}`;
  if (text.startsWith("UPDATE")) return `Fill ${name(/UPDATE "(\w+)"/)}.${name(/SET "(\w+)"/)}`;
  const table = name(/TABLE "(\w+)"/);
  if (/DROP COLUMN/.test(text)) return `Drop column ${table}.${name(/COLUMN "(\w+)"/)}`;
  if (/ADD COLUMN/.test(text)) return `Add column ${table}.${name(/COLUMN "(\w+)"/)}`;
  if (/SET NOT NULL/.test(text)) return `Make ${table}.${name(/COLUMN "(\w+)"/)} required`;
  if (/FOREIGN KEY/.test(text)) return `Foreign key ${name(/CONSTRAINT "(\w+)"/)}`;
  return `Constraint ${name(/CONSTRAINT "(\w+)"/)}`;
}

export function script(sql: string): Script {
  const written = sql.includes("COMMIT;");
  return {
    statements: statements(sql),
    mode: written ? "as_written" : "atomic",
    mode_reason: written
      ? "The script commits on its own after statement 4, so it is sent as it stands."
      : "No statement needs a session of its own: script and ledger row go in one transaction.",
    uncertain: null,
  };
}

const stamp = (name: string) =>
  `${name.slice(0, 4)}-${name.slice(4, 6)}-${name.slice(6, 8)}T${name.slice(8, 10)}:${name.slice(10, 12)}:00Z`;

export function row(migration: FakeMigration, order: number | null): MigrationRow {
  const inLedger = !["pending", "unreadable"].includes(migration.state);
  const ledger: LedgerRow = {
    id: digest(migration.name).slice(0, 36),
    checksum: digest(migration.state === "edited" ? `${migration.sql} ` : migration.sql),
    finished_at: migration.state === "failed" ? null : stamp(migration.name),
    migration_name: migration.name,
    logs:
      migration.state === "failed"
        ? `A migration failed to apply.\nDatabase error code: 23505\nERROR: could not create unique index "users_email_lower_key"\nDETAIL: Key (email_lower)=(••••••) is duplicated.\u202e 2 times`
        : null,
    rolled_back_at: null,
    started_at: stamp(migration.name),
    applied_steps_count: migration.state === "failed" ? 0 : 1,
  };
  return {
    name: migration.name,
    state: migration.state,
    order,
    on_disk: migration.state !== "missing",
    file_checksum: migration.state === "missing" ? null : digest(migration.sql),
    statements: migration.state === "missing" ? null : statements(migration.sql).length,
    rows: inLedger ? [ledger] : [],
    live: { present: migration.live[0], countable: migration.live[1] },
    note:
      migration.state === "edited"
        ? "The file was changed on 2 June, after it was applied. What it made is still there."
        : migration.state === "missing"
          ? "It was applied on 20 April; its folder is gone since."
          : migration.state === "failed"
            ? "Two pairs of users share an e-mail address, so it cannot be made unique. The file commits after statement 3: those three stayed."
            : null,
  };
}

export function findings(migration: FakeMigration): Finding[] {
  const at = (
    check: string,
    outcome: Finding["outcome"],
    statement: number,
    title: string,
    detail: string,
    destructive = false,
  ): Finding => ({ check, outcome, title, detail, migration: migration.name, statement, destructive });
  if (migration.sql === flags)
    return [
      at(
        "ban-drop-column",
        "warn",
        2,
        "Drops `feature_flags.enabled_for` with 19 values.",
        "The values cannot be brought back from the database afterwards.",
        true,
      ),
      at(
        "adding-required-field",
        "pass",
        1,
        "The new column has a default.",
        "No row is rewritten on PostgreSQL 11 and later.",
      ),
    ];
  if (migration.sql === usersEmail)
    return [
      at(
        "require-concurrent-index-creation",
        "warn",
        6,
        "The unique index keeps writers of `users` waiting.",
        "About 18 thousand rows, about 20 ms.",
      ),
    ];
  return [];
}

export function detail(migration: FakeMigration): MigrationDetail {
  const missing = migration.state === "missing";
  return {
    row: row(migration, null),
    sql: missing ? null : migration.sql,
    cut: 0,
    script: missing ? null : script(migration.sql),
    findings: findings(migration),
    tables:
      migration.sql === usersEmail
        ? [
            {
              schema: "public",
              name: "users",
              rows: 18_204,
              bytes: 6_400_000,
              mode: "AccessExclusiveLock",
              waits: "readers_and_writers",
            },
          ]
        : migration.sql === flags
          ? [
              {
                schema: "public",
                name: "feature_flags",
                rows: 24,
                bytes: 81_920,
                mode: "AccessExclusiveLock",
                waits: "readers_and_writers",
              },
            ]
          : migration.sql.includes("REFERENCES")
            ? [
                {
                  schema: "public",
                  name: /REFERENCES "(\w+)"/.exec(migration.sql)?.[1] ?? "users",
                  rows: 18_412_907,
                  bytes: 9_730_000_000,
                  mode: "ShareRowExclusiveLock",
                  waits: "writers",
                },
              ]
            : [],
  };
}

export function repair(migration: FakeMigration): RepairReport {
  const all = statements(migration.sql);
  const rest = all.slice(4).map((statement) => ({
    sql: migration.sql.slice(statement.start, statement.end),
    summary: statement.summary,
    destructive: statement.summary.startsWith("Drop"),
  }));
  const finish: PlanPurpose = { kind: "finish_failed", migration: migration.name };
  return {
    migration: migration.name,
    headline: "The first 4 of 7 statements stayed. Statement 6 failed.",
    error:
      'ERROR 23505: could not create unique index "users_email_lower_key"\nDETAIL: Key (email_lower)=(••••••) is duplicated.',
    statements: all.map((statement) => ({
      number: statement.number,
      line: statement.line,
      summary: statement.summary,
      sql: migration.sql.slice(statement.start, statement.end),
      state: statement.number === 2 ? "unknown" : statement.number <= 4 ? "present" : "absent",
      evidence:
        statement.number === 1
          ? "column users.email_lower exists"
          : statement.number === 2
            ? "rows cannot be told from the catalogue"
            : statement.number === 3
              ? "it is required"
              : statement.number === 4
                ? "nothing to look for; what came before has stayed"
                : statement.number === 5
                  ? "index users_email_key is still there: taken back"
                  : statement.number === 6
                    ? "no such index"
                    : "no such constraint",
      failed_here: statement.number === 6,
    })),
    ways: [
      {
        purpose: { kind: "undo_failed", migration: migration.name },
        title: "Take back what it left: 1 column",
        explanation:
          "Drops what the failed migration left and marks it as rolled back. The next apply runs the whole file again.",
        statements: [
          {
            sql: 'ALTER TABLE "users" DROP COLUMN "email_lower"',
            summary: "Drop column users.email_lower",
            destructive: true,
          },
        ],
        refused: null,
        recommended: true,
      },
      {
        purpose: finish,
        title: `Finish the rest: ${rest.length} statements`,
        explanation:
          "Runs what is not there yet, then marks the migration as applied. The two pairs of equal addresses must be gone first.",
        statements: rest,
        refused: null,
        recommended: false,
      },
      {
        purpose: { kind: "mark_applied", migration: migration.name },
        title: "Mark as applied, run nothing",
        explanation: "For when somebody has finished it by hand. Only the ledger is written.",
        statements: [],
        refused: "3 of its effects are not there; the ledger would say something untrue.",
        recommended: false,
      },
      {
        purpose: { kind: "mark_rolled_back", migration: migration.name },
        title: "Mark as rolled back, run nothing",
        explanation: "For when somebody has taken it back by hand. Only the ledger is written.",
        statements: [],
        refused: null,
        recommended: false,
      },
    ],
  };
}

export function drift(world: World): DriftReport {
  const version = "PostgreSQL 18.4";
  if (!world.drifted)
    return {
      headline: "The live schema is what its migrations make.",
      lead: `8 migrations replayed on a scratch copy, ${version}, in 2 s. 118 objects compared.`,
      differences: [],
      compared: 118,
      replayed: 8,
      not_replayed: [],
      scratch_version: version,
      live_version: "PostgreSQL 15.8",
      version_gap: null,
      read_at: ago(0),
    };
  const flagsScope = "20260614111500_feature_flags_scope";
  return {
    headline: "6 tables fewer than the migrations make, and 2 more dangerous differences.",
    lead: `26 migrations replayed on a scratch copy, ${version}, in 3 s; then the 5 that wait.`,
    differences: [
      {
        class: "dangerous",
        side: "missing_live",
        kind: "table",
        object: "public.avatars",
        sentence: "Table `avatars` is missing.",
        expected: avatars.split(";\n")[0] ?? "",
        live: null,
        culprit: null,
        settled_by: "20260610101500_avatars",
      },
      {
        class: "dangerous",
        side: "different",
        kind: "column",
        object: "public.feature_flags.scope",
        sentence: "`feature_flags` has no `scope` and still has `enabled_for`.",
        expected: "scope text NOT NULL DEFAULT 'team'",
        live: "enabled_for uuid[]",
        culprit: "20251120140000_credits",
        settled_by: flagsScope,
      },
      {
        class: "dangerous",
        side: "missing_live",
        kind: "index",
        object: "public.users_email_lower_key",
        sentence: "`users.email_lower` may hold one address twice: its index is missing.",
        expected: "CREATE UNIQUE INDEX users_email_lower_key ON users (email_lower)",
        live: null,
        culprit: "20260609171200_users_email_lower",
        settled_by: "20260609171200_users_email_lower",
      },
      {
        class: "unknown",
        side: "not_compared",
        kind: "index",
        object: "public.styles_name_trgm",
        sentence: "Index `styles_name_trgm` was not compared: the scratch server lacks `pg_trgm`.",
        expected: null,
        live: "CREATE INDEX styles_name_trgm ON styles USING gin (name gin_trgm_ops)",
        culprit: "20260204090500_style_search",
        settled_by: null,
      },
      {
        class: "harmless",
        side: "extra_live",
        kind: "index",
        object: "public.users_created_at",
        sentence: "Index `users_created_at` exists only here; no migration makes it.",
        expected: null,
        live: "CREATE INDEX users_created_at ON users (created_at)",
        culprit: null,
        settled_by: null,
      },
      ...["created_at", "updated_at", "note", "slug", "owner_id", "title", "kind", "label", "rank"].map((column) => ({
        class: "cosmetic" as const,
        side: "different" as const,
        kind: "column" as const,
        object: `public.projects.${column}`,
        sentence: `Column \`projects.${column}\` stands at another place.`,
        expected: null,
        live: null,
        culprit: "20250918120200_projects",
        settled_by: null,
      })),
    ],
    compared: 214,
    replayed: 26,
    not_replayed: [],
    scratch_version: version,
    live_version: "PostgreSQL 15.8",
    version_gap: world.environment.sandbox
      ? null
      : "The scratch copy ran on PostgreSQL 18.4, the target is 15.8. Differences that come from that are not counted as drift.",
    read_at: ago(0),
  };
}

const hop = (
  kind: HopKind,
  name: string,
  evidence: string,
  milliseconds: number,
  outcome: Hop["outcome"] = "pass",
): Hop => ({
  kind,
  name,
  outcome,
  evidence,
  milliseconds: outcome === null ? null : milliseconds,
});

export function hops(world: Pick<World, "reached">, target: Address): Hop[] {
  const refused = world.reached === "refused";
  const after = refused ? null : "pass";
  const pooler = world.reached === "pooler" && target.port === 6543;
  return [
    hop("name_lookup", "Name lookup", "v4 203.0.113.24, v6 2001:db8::24", 6.2),
    refused
      ? hop("tcp", "TCP", `port ${target.port} refused the connection`, 31, "block")
      : hop("tcp", "TCP", `port ${target.port} answers`, 12),
    hop(
      "tls",
      "Encryption",
      refused ? "" : `certificate for ${target.host}, 18 days left`,
      38,
      refused ? null : "warn",
    ),
    hop("authentication", "Authentication", refused ? "" : `as ${target.user}, by SCRAM`, 21, after),
    hop("database", "Database", refused ? "" : target.database, 4, after),
    hop("schema", "Schema", refused ? "" : target.schema, 3, after),
    hop(
      "pooler_mode",
      "Pooler mode",
      refused ? "" : pooler ? "transaction: 2 sessions in 1 connection" : "a session of its own",
      64,
      refused ? null : pooler ? "block" : "pass",
    ),
    hop("writable", "Writable", refused ? "" : "primary, accepts writes", 2, after),
    hop("privileges", "Rights", refused ? "" : "read, write, create tables", 11, after),
    hop("server_version", "Server version", refused ? "" : "PostgreSQL 15.8", 1.4, after),
    hop("identity", "Identity", refused ? "" : "the database recorded at first contact", 8, after),
    hop("same_database", "Same database", refused ? "" : "runtime and direct address lead to one database", 17, after),
  ];
}

export function explanation(world: Pick<World, "reached">, target: Address): Explanation | null {
  if (world.reached === "pooler" && target.port === 6543)
    return {
      hop: "pooler_mode",
      code: "DRY-1106",
      title: "Port 6543 gives every transaction another session.",
      detail: "A migration's lock would stay on one session while its statements run on the next.",
      tried: [
        ["Asked twice who answers", "2 sessions"],
        ["Took a lock, looked for it", "not there"],
        ["The same on port 5432", "1 session, lock held"],
      ],
      unchanged: "Nothing was written; the lock is released. The saved address is as it was.",
      next: "Use port 5432 for migrations. The app keeps 6543.",
      suggestion: { ...target, port: 5432, says_pooler: false },
    };
  if (world.reached === "refused")
    return {
      hop: "tcp",
      code: "DRY-1102",
      title: `Nothing listens on port ${target.port} of ${target.host}.`,
      detail: "The name leads to a computer, and that computer refused the connection at once.",
      tried: [
        ["Connected to 203.0.113.24", "refused"],
        ["Connected to 2001:db8::24", "refused"],
      ],
      unchanged: "Nothing was sent to the database.",
      next: "Start the server, or correct the port, then test again.",
      suggestion: null,
    };
  return {
    hop: "tls",
    code: "DRY-1103",
    title: "The certificate ends in 18 days.",
    detail: "Until then everything works. After that every connection is refused.",
    tried: [["Checked name and issuer", "both fit"]],
    unchanged: "Nothing was written.",
    next: "Have the certificate renewed.",
    suggestion: null,
  };
}

const step = (
  index: number,
  verb: string,
  title: string,
  status: RunStep["status"],
  seconds: number | null,
  note: string | null = null,
): RunStep => ({
  index,
  verb,
  title,
  status,
  seconds,
  note,
});

export function blankRun(id: string, number: number, world: World, status: RunStatus, title: string): Run {
  return {
    id,
    number,
    plan_id: "plan-31",
    kind: "apply",
    environment_id: world.environment.id,
    environment_name: world.environment.name,
    title,
    status,
    started_at: ago(0),
    ended_at: null,
    steps: [],
    failure: null,
    aftermath: [],
    confirmation: null,
  };
}

const productionShell = { environment: { id: "production", name: "atelier-production" } } as World;

function attentionRun(): Run {
  return {
    ...blankRun("run-151", 151, productionShell, "needs_attention", "Apply 4 migrations"),
    started_at: ago(7_900),
    steps: [
      step(0, "Check", "fingerprint unchanged", "done", 0.6),
      step(1, "Migrate", "20260610101500_avatars", "done", 0.71),
      step(2, "Migrate", "20260611093000_avatar_generations", "done", 0.58),
      step(3, "Migrate", "20260612140000_model_routes", "started", null),
      step(4, "Migrate", "20260614111500_feature_flags_scope", "queued", null),
      step(5, "Verify", "ledger and catalogue", "queued", null),
    ],
  };
}

function succeededRun(): Run {
  return {
    ...blankRun("run-148", 148, productionShell, "succeeded", "Apply 2 migrations"),
    started_at: ago(90_000),
    ended_at: ago(89_950),
    steps: [
      step(0, "Check", "fingerprint unchanged", "done", 0.6),
      step(1, "Migrate", "20260108113000_invitations", "done", 0.44, "5 of 5 objects"),
      step(2, "Migrate", "20260204090500_style_search", "done", 48.2, "2 of 2 objects, 29 s for a lock"),
      step(3, "Verify", "ledger and catalogue as planned", "done", 0.4),
    ],
    aftermath: ["2 migrations are in.", "The ledger holds 2 new rows; the catalogue is as the plan said."],
    confirmation: {
      digest: "9f3cd1a2e04b5d1807ae",
      typed_name: "atelier-production",
      ticked_findings: [],
      override_reason: "The provider's own backup of 02:00 is at hand.",
    },
  };
}

function failedRun(): Run {
  return {
    ...blankRun("run-147", 147, productionShell, "failed", "Apply 5 migrations"),
    started_at: ago(172_000),
    ended_at: ago(171_990),
    steps: [
      step(0, "Check", "fingerprint unchanged", "done", 0.6),
      step(1, "Migrate", "20260609171200_users_email_lower", "failed", 0.31, "statement 6 of 7"),
      step(2, "Migrate", "20260610101500_avatars", "not_run", null),
      step(3, "Verify", "ledger and catalogue", "not_run", null),
    ],
    failure: {
      code: "DRY-1210",
      what: "Migration `20260609171200_users_email_lower` failed at statement 6 of 7.",
      why: 'ERROR 23505: could not create unique index "users_email_lower_key". Key (email_lower)=(••••••) is duplicated.',
      unchanged: "Statement 5 was taken back by the server. The 4 migrations after it were not started.",
      next: "Open the failed migration; it shows what stayed and how to repair it.",
    },
    aftermath: ["Statements 1 to 4 stayed, because the file commits after them.", "Statement 5 was taken back."],
  };
}

export function examination(run: Run): Examination {
  const said: Record<string, [string, string, RunStep["status"]]> = {
    Check: ["done", "same database", "done"],
    Verify: ["not started", "nothing to read", "not_run"],
  };
  const migrations: [string, string, RunStep["status"]][] = [
    ["done", "row, 9 of 9 objects", "done"],
    ["done", "row, 8 of 8 objects", "done"],
    ["started, no end", "no row, 0 of 5 objects", "taken_back"],
    ["not started", "no row, 0 of 2 objects", "not_run"],
  ];
  const evidence = (title: string, detail: string): Finding => ({
    check: "examination",
    outcome: "pass",
    title,
    detail,
    migration: null,
    statement: null,
    destructive: false,
  });
  return {
    run,
    headline: "The console stopped while migration 3 of 4 ran. The server says it was taken back.",
    rows: run.steps.map((one) => {
      const [journal, server, outcome] = (one.verb === "Migrate" ? migrations[one.index - 1] : said[one.verb]) ?? [
        "not started",
        "nothing to read",
        "not_run" as const,
      ];
      return { step: one, journal, server, outcome, differs: one.status === "started" };
    }),
    evidence: [
      evidence("Transaction", "`48113902` aborted, says the server"),
      evidence("Session", "`4207` is gone, no other one is ours"),
      evidence("Ledger", "no row, neither done nor begun"),
      evidence("Catalogue", "0 of its 5 objects exist"),
    ],
    unknown: [
      "Whether the checks hold now: Verify did not start.",
      "Why the console stopped: its journal ends without a word.",
    ],
    still_running: false,
    next: ["new_plan", "examine_again"],
    read_at: ago(0),
  };
}

export function events(run: Run): RunEvent[] {
  const list: RunEvent[] = [];
  let at = Date.parse(run.started_at);
  const push = (what: RunEvent["what"]) =>
    list.push({ run_id: run.id, sequence: list.length + 1, at: new Date((at += 900)).toISOString(), what });
  push({ kind: "status", status: "running" });
  for (const one of run.steps) push({ kind: "step", step: one });
  if (run.failure !== null) push({ kind: "failed", failure: run.failure });
  push({ kind: "status", status: run.status });
  return list;
}

export { digest, avatars, flags };
