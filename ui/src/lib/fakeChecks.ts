/** Verification and queries of the fake shell. In no production bundle. */
import type { CellView, CheckReading, CheckResult, Failure, Outcome, QueryResult, Verification } from "./bindings";
import { appChecks } from "./fakeApp";
import { ago, type World } from "./fakeWorld";

const text = (value: string): CellView => ({ kind: "text", text: value, of: null });
const differing = `SELECT u.id, u.email, u.credits, sum(l.delta)
FROM users u
JOIN credit_ledger l ON l.user_id = u.id
GROUP BY u.id
HAVING u.credits <> sum(l.delta)`;

type Row = [string, string | null, string, string | null, Outcome, ("database" | "schema")?];
const rows: Row[] = [
  ["No migration half done", "0", "0", "0", "pass"],
  ["Models to choose from", "17", "at least 10", "13", "pass"],
  ["Models without a route", "0", "0", "0", "pass"],
  ["Avatars without an owner", "0", "0", "0", "pass"],
  ["Users whose credits differ", "3", "0", "0", "block"],
  ["Audit entries today", null, "at least 1", null, "unknown"],
  ["Jobs that failed", "2", "at most 5", "0", "warn"],
  ["Tables the app expects", "49", "49", "43", "pass", "schema"],
  ["orders.total is numeric(12,2)", "numeric(12,2)", "numeric(12,2)", "numeric(12,2)", "pass", "schema"],
  ["order_status has its labels", "new, paid, sent", "new, paid, sent", "new, paid, sent", "pass", "schema"],
];

const speaking: QueryResult = {
  columns: [
    { name: "id", type_name: "uuid" },
    { name: "email", type_name: "text" },
    { name: "credits", type_name: "integer" },
    { name: "sum", type_name: "bigint" },
  ],
  rows: [
    [text("4c1e0d21"), { kind: "masked" }, text("48"), text("47")],
    [text("90ab77f0"), { kind: "masked" }, text("12"), text("11")],
    [text("e27f1c3a"), { kind: "masked" }, text("205"), text("204")],
  ],
  more: false,
  seconds: 0.3,
};

function check([name, now, expected, before, outcome, part = "database"]: Row, at: string): CheckResult {
  return {
    id: `avatar-models/${name}`,
    suite: "Avatar models",
    part,
    name,
    now,
    expected,
    before,
    outcome,
    why:
      outcome === "block"
        ? "3 users hold credits that their ledger does not explain."
        : outcome === "unknown"
          ? "No right to read `audit_trail`: permission denied for table audit_trail."
          : outcome === "warn"
            ? "2 jobs failed; up to 5 are let through."
            : null,
    at,
    seconds: outcome === "unknown" ? 0.02 : 0.3,
    sql: part === "schema" ? null : outcome === "block" ? differing : "SELECT count(*) FROM ai_models WHERE enabled",
    rows: outcome === "block" ? speaking : null,
  };
}

const read = new Map<string, string>();

/** When the checks of an environment were read here. */
export const readAt = (id: string): string | null => read.get(id) ?? null;

/** What was read, and which checks were let write: for tests to look at. */
const told = globalThis as { fakeVerified?: string[][] };

/** `writing`: checks that may write; null: nothing is read now. */
export function verification(world: World, scenario: string, writing: string[] | null): Verification {
  const id = world.environment.id;
  const now = writing !== null;
  if (writing !== null) {
    read.set(id, ago(0));
    told.fakeVerified = [...(told.fakeVerified ?? []), writing];
  }
  const at =
    scenario === "checks-never" && !now
      ? (read.get(id) ?? null)
      : (read.get(id) ?? ago(id === "staging" ? 9_000 : 240));
  if (scenario === "checks-none")
    return {
      headline: "Nothing is checked yet.",
      lead: "Checks come with seed profiles and from files of checks.",
      outcome: "unknown",
      checks: [],
      at: ago(0),
      run: null,
      unreadable: [],
    };
  if (at === null)
    return {
      headline: "This database was not verified yet.",
      lead: "17 expectations of 2 profiles and 1 file are waiting.",
      outcome: "unknown",
      checks: [],
      at: null,
      run: null,
      unreadable: [],
    };
  const good = id !== "production" || scenario === "checks-well" || scenario.startsWith("desk");
  const checks = [
    ...rows.filter((row) => !good || row[4] === "pass").map((row) => check(row, at)),
    ...appChecks(id, at, writing, good),
  ];
  const having = (outcome: Outcome) => checks.filter((one) => one.outcome === outcome).length;
  const hold = having("pass");
  const unread = having("unknown");
  return {
    headline: good
      ? `All ${checks.length} checks hold.`
      : `${hold} of ${checks.length} checks hold. ${having("block")} fail, 1 warns, ${unread} could not be read.`,
    lead: good
      ? "Each was read from the database or from the app."
      : "No right on `audit_trail`. All agreed before run 152.",
    outcome: good ? "pass" : "block",
    checks,
    at,
    run: 152,
    unreadable: good ? [] : ["`price-list`: its `profile.toml` has a mistake in line 12."],
  };
}

export function history(check: string): CheckReading[] {
  const reading = (minutes: number, now: string | null, outcome: Outcome, run: number | null = null): CheckReading => ({
    at: ago(minutes * 60),
    now,
    outcome,
    run,
  });
  if (check.endsWith("Audit entries today"))
    return [
      reading(200, "4", "pass"),
      reading(120, "9", "pass"),
      reading(60, null, "unknown"),
      reading(4, null, "unknown"),
    ];
  if (check.endsWith("Make an avatar")) return [];
  if (check.endsWith("Prices shown"))
    return [
      reading(260, "200", "pass"),
      reading(170, "200", "pass", 152),
      reading(90, "500", "block"),
      reading(4, "500", "block"),
    ];
  if (check.endsWith("1 credit")) return [reading(400, "-1", "pass", 151), reading(132, "-1", "pass")];
  if (check.endsWith("numeric(12,2)"))
    return [reading(300, "numeric(12,2)", "pass"), reading(4, "numeric(12,2)", "pass")];
  if (check.endsWith("Users whose credits differ"))
    return [
      reading(260, "0", "pass"),
      reading(190, "0", "pass", 151),
      reading(170, "0", "pass", 152),
      reading(100, "1", "block"),
      reading(50, "3", "block"),
      reading(4, "3", "block"),
    ];
  return [reading(260, "13", "pass"), reading(170, "17", "pass", 152), reading(4, "17", "pass")];
}

export function query(sql: string): QueryResult | Failure {
  if (/\b(insert|update|delete|drop|alter|truncate|create)\b/i.test(sql))
    return {
      code: "DRY-1224",
      what: "The query is refused: it would write.",
      why: "ERROR 25006: cannot execute UPDATE in a read-only transaction.",
      unchanged: "Nothing was written.",
      next: "Ask with SELECT. Rows are changed by seeds and migrations only.",
    };
  if (/nothing/i.test(sql))
    return { columns: [{ name: "id", type_name: "integer" }], rows: [], more: false, seconds: 0.004 };
  return {
    columns: [
      { name: "id", type_name: "integer" },
      { name: "body", type_name: "text" },
      { name: "note", type_name: "text" },
      { name: "total", type_name: "numeric(12,2)" },
      { name: "made", type_name: "timestamp with time zone" },
    ],
    rows: [
      [text("1"), text("<script>alert(1)</script>"), { kind: "null" }, text("1.10"), text("2026-11-20 09:00:00+00")],
      [
        text("2"),
        text("\u001b[31mred\u001b[0m"),
        text(""),
        text("99999999999999999999.99"),
        text("2026-11-20 09:00:00+00"),
      ],
      [text("3"), text("plain \u202etext"), text("NULL"), text("-0.00"), { kind: "null" }],
      ...Array.from({ length: 97 }, (_, at): CellView[] => [
        text(String(at + 4)),
        text(`row ${at + 4}`),
        { kind: "null" },
        text("10.00"),
        text("2026-11-20 09:00:00+00"),
      ]),
    ],
    more: true,
    seconds: 0.21,
  };
}
