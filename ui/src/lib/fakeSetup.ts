/** The fake shell's folders, files, address and credentials of checks. In no production bundle. */
import type {
  CheckDraft,
  CheckSetup,
  commands as shell,
  Failure,
  FailureCode,
  Keeping,
  ProfileProblem,
  Result,
  SuiteSummary,
} from "./bindings";

type Names =
  | "checkSetup"
  | "checkAppSet"
  | "checkFolderAdd"
  | "checkFolderRemove"
  | "checkCredentialSet"
  | "checkCredentialTake"
  | "checkFile"
  | "checkTextJudge"
  | "checkFileSave"
  | "checkCompose";

const shop = `title = "The shop"
description = "What a customer needs to buy something."

[[credentials]]
name = "qa_password"
label = "Password of qa@example.com"

[[credentials]]
name = "report_key"
label = "Key of the report interface"

[[expect]]
name = "Health"
[expect.http]
get = "/health"
within_ms = 1000
expect = [ { json = "$.status", equals = "ok" } ]

[[expect]]
name = "List of models"
[expect.http]
get = "/api/models"
headers = { Authorization = "Bearer {{report_key}}" }
expect = [ { count = "$.models[?@.active == true]", at_least = 10 } ]

[[expect]]
name = "Models to choose from"
[expect.count]
table = "ai_models"
at_least = 10
`;
const prices = `title = "Prices"

[[expect]]
name = "Prices shown"
[expect.http]
part = "page"
get = "prices"
expect = [ { text = "Credits" } ]
`;

type Kept = { app: string | null; folders: string[]; files: Map<string, string>; credentials: Map<string, Keeping> };
const all = new Map<string, Kept>();

const own = "/home/ops/atelier/checks";
function keptOf(environment: string, scenario: string): Kept {
  const bare = environment !== "production" || scenario === "checks-none";
  const kept = all.get(environment) ?? {
    app: bare ? null : "https://app.atelier.example",
    folders: bare ? [] : [own],
    files: new Map(
      bare
        ? []
        : [
            [`${own}/prices.toml`, prices],
            [`${own}/shop.toml`, shop],
          ],
    ),
    credentials: new Map<string, Keeping>(bare ? [] : [["qa_password", "keyring"]]),
  };
  all.set(environment, kept);
  return kept;
}

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
const digestOf = (text: string) => String([...text].reduce((sum, one) => (sum * 31 + one.charCodeAt(0)) | 0, 7));
const times = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length;
const titleOf = (text: string) => /^title\s*=\s*"(.+)"/m.exec(text)?.[1] ?? null;

/** A few of the mistakes that the engine finds. */
function judge(file: string, text: string): ProfileProblem[] {
  const problems: ProfileProblem[] = [];
  const wrong = (line: number, what: string, next: string) => problems.push({ at: { file, line }, what, next });
  if (titleOf(text) === null) wrong(1, "The file has no `title`.", 'Add `title = "..."` as its first line.');
  for (const [index, line] of text.split("\n").entries()) {
    const path = /^\s*get\s*=\s*"([^"]*)"/.exec(line)?.[1];
    if (path !== undefined && !path.startsWith("/"))
      wrong(
        index + 1,
        `\`${path}\` does not begin with one \`/\`.`,
        "Write the path alone, from `/` on; the app's address is set on the environment.",
      );
  }
  if (times(text, /^\[\[expect\]\]/gm) === 0)
    wrong(1, "The file checks nothing.", "Add an `[[expect]]` for each thing that must hold.");
  return problems;
}

function summary(path: string, text: string): SuiteSummary {
  const problems = judge(nameOf(path), text);
  const sound = problems.length === 0;
  return {
    id: path,
    title: sound ? (titleOf(text) ?? "") : nameOf(path),
    description: sound ? (/^description\s*=\s*"(.+)"/m.exec(text)?.[1] ?? "") : "",
    checks: sound ? times(text, /^\[\[expect\]\]/gm) : 0,
    flows: sound ? times(text, /^\[expect\.http\]/gm) : 0,
    problems,
  };
}

function setupOf(kept: Kept): CheckSetup {
  const inside = [...kept.files]
    .filter(([path]) => kept.folders.some((folder) => path.startsWith(`${folder}/`)))
    .sort();
  const suites = inside.map(([path, text]) => summary(path, text));
  const credentials = inside
    .filter(([path]) => suites.some((suite) => suite.id === path && suite.problems.length === 0))
    .flatMap(([, text]) =>
      [...text.matchAll(/\[\[credentials\]\]\nname = "(.+)"\nlabel = "(.+)"/g)].map(([, name = "", label = ""]) => ({
        name,
        label,
        asked_by: [titleOf(text) ?? ""],
        kept: kept.credentials.get(name) ?? null,
        problem: kept.credentials.has(name) ? null : "Not set yet.",
      })),
    );
  return { app: kept.app, folders: kept.folders, suites, credentials, unreadable: [] };
}

/** As the engine writes it. */
function compose({ name, asks }: CheckDraft): string {
  const lines = ["[[expect]]", `name = ${JSON.stringify(name)}`];
  if (asks.kind === "no_row") lines.push(`none = ${JSON.stringify(asks.sql)}`);
  if (asks.kind === "count") {
    lines.push("", "[expect.count]", `table = ${JSON.stringify(asks.table)}`);
    if (asks.condition !== null) lines.push(`where = ${JSON.stringify(asks.condition)}`);
    lines.push(`at_least = ${asks.at_least}`);
  }
  if (asks.kind === "app") {
    lines.push("", "[expect.http]", `part = "${asks.part}"`, `get = ${JSON.stringify(asks.path)}`);
    if (asks.status !== null) lines.push(`status = ${asks.status}`);
    if (asks.within_ms !== null) lines.push(`within_ms = ${asks.within_ms}`);
    if (asks.bearer !== null) lines.push("", "[expect.http.headers]", `Authorization = "Bearer {{${asks.bearer}}}"`);
    if (asks.text !== null) lines.push("", "[[expect.http.expect]]", `text = ${JSON.stringify(asks.text)}`);
    if (asks.json !== null)
      lines.push("", "[[expect.http.expect]]", `json = "${asks.json[0]}"`, `equals = ${JSON.stringify(asks.json[1])}`);
  }
  return `${lines.join("\n")}\n`;
}

const ok = <T>(data: T): Result<T, Failure> => ({ status: "ok", data });
const fail = (
  code: FailureCode,
  what: string,
  why: string,
  unchanged: string,
  next: string,
): Result<never, Failure> => ({
  status: "error",
  error: { code, what, why, unchanged, next },
});
const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

export function setupCommands(scenario: string): Pick<typeof shell, Names> {
  const kept = (id: string) => keptOf(id, scenario);
  return {
    async checkSetup(id) {
      if (scenario === "slow") await new Promise(() => undefined);
      await wait(5);
      if (scenario === "setup-broken")
        return fail(
          "DRY-1501",
          "The console's own store could not be read.",
          "database disk image is malformed",
          "No database was touched.",
          "Close Drydock and open it again.",
        );
      return ok(setupOf(kept(id)));
    },
    async checkAppSet(id, address) {
      if (address !== null && !/^https?:\/\/[^@?]+$/.test(address))
        return fail(
          "DRY-1001",
          "This is not an address of an app.",
          "It does not begin with `https://` or `http://`.",
          "Nothing was saved.",
          "Write it as a browser has it, without a user name and without a query.",
        );
      kept(id).app = address;
      return ok(setupOf(kept(id)));
    },
    async checkFolderAdd(id, folder) {
      if (!kept(id).folders.includes(folder)) kept(id).folders.push(folder);
      return ok(setupOf(kept(id)));
    },
    async checkFolderRemove(id, folder) {
      kept(id).folders = kept(id).folders.filter((known) => known !== folder);
      return ok(setupOf(kept(id)));
    },
    async checkCredentialSet(id, name, _handle, keeping) {
      if (scenario === "vault")
        return fail(
          "DRY-1402",
          "The vault is locked.",
          "The credential is to be kept in it.",
          "Nothing was saved.",
          "Unlock the vault.",
        );
      kept(id).credentials.set(name, keeping);
      return ok(setupOf(kept(id)));
    },
    checkCredentialTake: async () => ok("pending-2"),
    async checkFile(id, path) {
      await wait(5);
      const text = kept(id).files.get(path) ?? "";
      const digest = digestOf(text);
      /* Somebody else writes it, just after it was opened. */
      if (scenario === "checks-changed") kept(id).files.set(path, `${text}\n# changed\n`);
      return ok({ path, text, digest, problems: judge(nameOf(path), text) });
    },
    async checkTextJudge(name, text) {
      await wait(5);
      return ok(judge(name, text));
    },
    async checkFileSave(id, path, text, digest) {
      await wait(5);
      const there = kept(id).files.get(path);
      if ((there === undefined ? null : digestOf(there)) !== digest)
        return fail(
          "DRY-1801",
          `${path} was not written.`,
          "It was changed or removed since it was read.",
          "The file is as it was.",
          "Copy your text, open the file again and put it in.",
        );
      kept(id).files.set(path, text);
      return ok(setupOf(kept(id)));
    },
    checkCompose: async (draft) => ok(compose(draft)),
  };
}
