/** Checks of the app, as the fake shell reads them. In no production bundle. */
import type { AnswerFound, CheckPart, CheckResult, Outcome, RequestResult, Writes } from "./bindings";
import { ago } from "./fakeWorld";

const found = (what: string, now: string | null, expected: string, outcome: Outcome = "pass"): AnswerFound => ({
  what,
  now,
  expected,
  outcome,
});
const status = (now: number, expected = "200 to 299"): AnswerFound =>
  found("status", String(now), expected, now < 300 ? "pass" : "block");

function request(name: string, sent: string, more: Partial<RequestResult> = {}): RequestResult {
  return {
    name,
    request: sent,
    cleanup: false,
    status: 200,
    milliseconds: 84,
    tries: 1,
    outcome: "pass",
    why: null,
    found: [status(more.status ?? 200)],
    kept: [],
    ...more,
  };
}

const signIn = request("Sign in", "POST /api/login", {
  milliseconds: 212,
  kept: ["token = ••••••", "who = qa@example.com"],
});
const flow: RequestResult[] = [
  signIn,
  request("Credits before", "GET /api/me", {
    milliseconds: 31,
    found: [status(200), found("$.email", "qa@example.com", "qa@example.com")],
    kept: ["credits = 5"],
  }),
  request("Make it", "POST /api/avatars", {
    status: 202,
    milliseconds: 146,
    found: [status(202, "202")],
    kept: ["avatar = a-20611"],
  }),
  request("Wait for it", "GET /api/jobs/{{avatar}}", { milliseconds: 28, tries: 4 }),
  request("Credits after", "GET /api/me", {
    milliseconds: 30,
    found: [status(200), found("$.credits", "-1", "-1")],
  }),
  request("Remove it", "DELETE /api/avatars/{{avatar}}", {
    cleanup: true,
    status: 204,
    milliseconds: 66,
    found: [status(204)],
  }),
];
const broken = "The app answered 500, expected 200 to 299. The answer begins with: <h1>Internal error</h1>";

type AppCheck = {
  part: CheckPart;
  name: string;
  now: string;
  expected: string;
  before: string | null;
  why?: string;
  requests: RequestResult[];
  writes?: Writes;
};

const checks: AppCheck[] = [
  {
    part: "api",
    name: "Health",
    now: "200",
    expected: "200 to 299",
    before: "200",
    requests: [request("GET /health", "GET /health", { milliseconds: 24 })],
  },
  {
    part: "api",
    name: "List of models",
    now: "17",
    expected: "≥ 10",
    before: "13",
    requests: [
      request("GET /api/models", "GET /api/models", {
        milliseconds: 118,
        found: [
          status(200),
          found("header content-type", "application/json", "contains json"),
          found("number of $.models[?@.active == true]", "17", "≥ 10"),
        ],
      }),
    ],
  },
  {
    part: "api",
    name: "Make an avatar",
    now: "201",
    expected: "201",
    before: "201",
    requests: [signIn, request("Make it", "POST /api/avatars", { status: 201, found: [status(201, "201")] })],
    writes: { account: "qa@example.com", leaves: "an avatar called Check; a job of the app removes it at night" },
  },
  {
    part: "page",
    name: "Studio shows the models",
    now: "17 models",
    expected: "17 models",
    before: "13 models",
    requests: [
      request("GET /studio", "GET /studio", {
        milliseconds: 341,
        found: [status(200), found("text", "17 models", "17 models")],
      }),
    ],
  },
  {
    part: "page",
    name: "Prices shown",
    now: "500",
    expected: "200 to 299",
    before: "200",
    why: `Open the prices: ${broken}`,
    requests: [
      request("Open the studio", "GET /studio", { milliseconds: 338 }),
      request("Open the prices", "GET /prices", {
        status: 500,
        milliseconds: 1204,
        outcome: "block",
        why: broken,
        found: [status(500), found("time", "1204 ms", "≤ 1000 ms", "block")],
      }),
    ],
  },
  {
    part: "functional",
    name: "An avatar costs 1 credit",
    now: "-1",
    expected: "-1",
    before: "-1",
    requests: flow,
    writes: { account: "qa@example.com", leaves: null },
  },
  {
    part: "functional",
    name: "Sign in to download",
    now: "4 of 4",
    expected: "4 of 4",
    before: "4 of 4",
    requests: [
      signIn,
      request("Open the library", "GET /library"),
      request("Ask for the file", "GET /api/files/{{file}}"),
      request("Download it", "GET /files/{{file}}", { milliseconds: 640 }),
    ],
  },
];

/** When a check that writes ran last, by environment and name. */
const ran = new Map<string, string>();

/** The checks of the app. `writing`: ids that may write; null: nothing is read now. */
export function appChecks(environment: string, at: string, writing: string[] | null, well: boolean): CheckResult[] {
  return checks
    .filter((check) => !well || check.why === undefined)
    .map((check) => {
      const id = `shop/${check.name}`;
      const key = `${environment}/${check.name}`;
      const free = environment !== "production";
      if (check.writes !== undefined && writing !== null && (free || writing.includes(id))) ran.set(key, ago(0));
      const last = ran.get(key) ?? (free ? at : check.name === "An avatar costs 1 credit" ? ago(7_900) : null);
      const read = {
        id,
        suite: "The shop",
        part: check.part,
        name: check.name,
        sql: null,
        rows: null,
        writes: check.writes ?? null,
      };
      if (check.writes !== undefined && last === null)
        return {
          ...read,
          now: null,
          expected: "",
          before: null,
          outcome: "unknown" as const,
          why: "It writes, so it runs only when somebody says so.",
          at,
          seconds: 0,
          requests: [],
        };
      return {
        ...read,
        now: check.now,
        expected: check.expected,
        before: check.before,
        outcome: check.why === undefined ? ("pass" as const) : ("block" as const),
        why: check.why ?? null,
        at: check.writes === undefined ? at : (last ?? at),
        seconds: check.requests.reduce((sum, one) => sum + (one.milliseconds ?? 0) / 1000, 0),
        requests: check.requests,
      };
    });
}
