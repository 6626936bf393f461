/** Changed rows of the fake shell, as `fakeSeeds` names their scenarios. In no production bundle. */
import type {
  CellView,
  ChangedColumn,
  Finding,
  Outcome,
  RowChange,
  RowChanges,
  RowKind,
  RowPage,
  RowQuery,
  TableChanges,
} from "./bindings";
import { digest } from "./fakeWorld";

export const MILLION = 1_000_000;

export const text = (value: string, of: number | null = null): CellView => ({ kind: "text", text: value, of });
export const NULL: CellView = { kind: "null" };
export const MASKED: CellView = { kind: "masked" };
const LATER: CellView = { kind: "on_apply" };

const column = (name: string, type_name: string, more: Partial<ChangedColumn> = {}): ChangedColumn => ({
  name,
  type_name,
  sensitive: false,
  server_filled: false,
  ...more,
});

export const finding = (
  check: string,
  outcome: Outcome,
  title: string,
  detail: string | null,
  destructive = false,
): Finding => ({
  check,
  outcome,
  title,
  detail,
  migration: null,
  statement: null,
  destructive,
});

/** A table with its rows: written down, or made by number. */
type FakeTable = { shown: TableChanges; row: (number: number) => RowChange; amount: number };
export type FakeChanges = { changes: RowChanges; tables: FakeTable[] };

function tableOf(
  table: string,
  columns: ChangedColumn[],
  key: string[],
  rows: Omit<RowChange, "number">[],
  more: Partial<TableChanges> = {},
): FakeTable {
  const counted = (kind: RowKind) => rows.filter((row) => row.kind === kind).length;
  return {
    amount: rows.length,
    row: (number) => ({ number, ...(rows[number] as Omit<RowChange, "number">) }),
    shown: {
      table: `public.${table}`,
      columns,
      key,
      inserted: counted("inserted"),
      updated: counted("updated"),
      deleted: counted("deleted"),
      rewritten: counted("rewritten"),
      unchanged: counted("unchanged"),
      whole: null,
      named: true,
      unknown: null,
      ...more,
    },
  };
}

const added = (after: CellView[]): Omit<RowChange, "number"> => ({
  kind: "inserted",
  before: null,
  after,
  changed: [],
});
const gone = (before: CellView[]): Omit<RowChange, "number"> => ({ kind: "deleted", before, after: null, changed: [] });
const same = (values: CellView[]): Omit<RowChange, "number"> => ({
  kind: "unchanged",
  before: values,
  after: values,
  changed: [],
});
function changed(before: CellView[], changes: Record<number, CellView>): Omit<RowChange, "number"> {
  return {
    kind: "updated",
    before,
    after: before.map((cell, at) => changes[at] ?? cell),
    changed: Object.keys(changes).map(Number),
  };
}

const modelColumns = [
  column("id", "integer", { server_filled: true }),
  column("slug", "text"),
  column("credits", "integer"),
  column("enabled", "boolean"),
  column("api_key", "text", { sensitive: true }),
  column("title", "text"),
  column("provider", "text"),
  column("width", "integer"),
  column("height", "integer"),
  column("note", "text"),
  column("created_at", "timestamp with time zone", { server_filled: true }),
];
const model = (id: CellView, slug: string, credits: number, enabled = "t"): CellView[] => [
  id,
  text(slug),
  text(String(credits)),
  text(enabled === "t" ? "true" : "false"),
  MASKED,
  text(slug.replace(/-/g, " ")),
  text("atelier"),
  text("1024"),
  text("1024"),
  NULL,
  id.kind === "on_apply" ? LATER : text("2026-03-02 09:14:00+00"),
];
const named = [column("id", "uuid"), column("name", "text"), column("enabled", "boolean"), column("note", "text")];
const flag = (name: string, enabled = "false"): CellView[] => [
  text(digest(name).slice(0, 36)),
  text(name),
  text(enabled),
  text(""),
];
const list = (amount: number, name: string) => Array.from({ length: amount }, (_, at) => `${name}-${at + 1}`);

const models = () =>
  tableOf(
    "ai_models",
    modelColumns,
    ["slug"],
    [
      changed(model(text("7"), "portrait-v2", 4), { 2: text("5") }),
      changed(model(text("9"), "sketch-lite", 1), { 3: text("false"), 4: MASKED }),
      ...["portrait-v3", "landscape-v1", "turntable-v1", "upscale-4x"].map((slug, at) =>
        added(model(LATER, slug, 2 + at)),
      ),
      ...list(11, "classic").map((slug, at) => same(model(text(String(10 + at)), slug, 3))),
    ],
  );

const usual = (): FakeTable[] => [
  models(),
  tableOf(
    "avatar_styles",
    named,
    ["name"],
    list(12, "style").map((name) => added(flag(name, "true"))),
  ),
  tableOf(
    "feature_flags",
    named,
    ["name"],
    [
      changed(flag("new_checkout"), { 2: text("true") }),
      added(flag("dark_mode")),
      ...list(23, "flag").map((name) => same(flag(name))),
    ],
  ),
  tableOf(
    "users",
    [column("email", "text"), column("name", "text"), column("password_hash", "text", { sensitive: true })],
    ["email"],
    [changed([text("ada@example.com"), text("Ada"), MASKED], { 2: MASKED })],
  ),
  tableOf(
    "projects",
    named,
    ["name"],
    list(3, "project").map((name) => same(flag(name))),
  ),
  tableOf(
    "credit_plans",
    named,
    ["name"],
    list(12, "plan").map((name) => same(flag(name))),
  ),
];

const hostile = (): FakeTable[] => {
  const columns = [column("id", "integer"), column("body", "text"), column("other", "text"), column("third", "text")];
  const values: [string, CellView, CellView, CellView][] = [
    [
      "1",
      text("<img src=x onerror=\"document.title='owned'\"><b>bold</b>"),
      text("</td></tr><script>alert(1)</script>"),
      NULL,
    ],
    ["2", text("\u001b[31mred\u001b[0m\u0007"), text("plain \u202eevil\u202c text"), text("")],
    ["3", text("שלום עולם"), text("x".repeat(8_000), 10_000), text("NULL")],
    ["4", text("  two before, one after "), text("a\tb\nc"), text(" ")],
    ["5", text('=HYPERLINK("http://example.com","click")'), text("`back` ${ticks}"), text("a\u00a0b\u200bc")],
  ];
  return [
    tableOf(
      "notes",
      columns,
      ["id"],
      [
        ...values.map(([id, ...cells]) => added([text(id), ...cells])),
        changed([text("6"), NULL, text(""), text("NULL")], { 1: text(""), 2: text("NULL"), 3: NULL }),
        changed([text("7"), text("NULL"), text("0"), text("-0.00")], { 1: NULL, 2: text("0.0"), 3: text("1.10") }),
        gone([text("8"), text("<i>gone</i>"), NULL, text("")]),
      ],
    ),
    tableOf('odd"; DROP TABLE \u202ex', [column("<b>name</b>", "text")], [], [added([text("no key")])]),
  ];
};

const many = (): FakeTable[] => [
  {
    amount: MILLION,
    row: (number) => {
      const kind: RowKind = number % 50 === 0 ? "updated" : number % 173 === 0 ? "deleted" : "inserted";
      const values = [
        text(String(number + 1)),
        text(`event-${number + 1}`),
        text(String((number * 7919) % 1000)),
        text("2026-11-20"),
      ];
      return {
        number,
        kind,
        before: kind === "inserted" ? null : values,
        after:
          kind === "deleted"
            ? null
            : kind === "updated"
              ? values.map((cell, at) => (at === 2 ? text("1000") : cell))
              : values,
        changed: kind === "updated" ? [2] : [],
      };
    },
    shown: {
      ...tableOf(
        "events",
        [column("id", "bigint"), column("name", "text"), column("amount", "numeric"), column("day", "date")],
        ["id"],
        [],
      ).shown,
      inserted: MILLION - 20_000 - 5_665,
      updated: 20_000,
      deleted: 5_665,
      unchanged: 0,
    },
  },
];

function tablesOf(scenario: string): FakeTable[] {
  switch (scenario) {
    case "rows-many":
      return many();
    case "rows-hostile":
      return hostile();
    case "rows-none":
      return [
        tableOf(
          "feature_flags",
          named,
          ["name"],
          list(24, "flag").map((name) => same(flag(name))),
        ),
        tableOf(
          "credit_plans",
          named,
          ["name"],
          list(12, "plan").map((name) => same(flag(name))),
        ),
      ];
    case "rows-unknown":
      return [
        ...usual().slice(0, 2),
        tableOf(
          "audit_log",
          [column("id", "bigint"), column("line", "text")],
          [],
          list(4, "wrote").map((line, at) => added([text(String(900 + at)), text(line)])),
          {
            named: false,
            unchanged: null,
          },
        ),
        tableOf("search_index", [column("id", "bigint")], ["id"], [], {
          named: false,
          unchanged: null,
          unknown:
            "A trigger of `ai_models` writes it through `dblink`; what another session writes cannot be taken back or seen.",
        }),
        tableOf("totals", named, ["name"], [gone(flag("total"))], { named: false, whole: "emptied" }),
      ];
    default:
      return usual();
  }
}

export function changesOf(scenario: string, undo: boolean): FakeChanges {
  const tables = undo
    ? [
        tableOf(
          "ai_models",
          modelColumns,
          ["slug"],
          [
            ...["portrait-v3", "landscape-v1", "turntable-v1", "upscale-4x"].map((slug, at) =>
              gone(model(text(String(31 + at)), slug, 2 + at)),
            ),
          ],
        ),
        tableOf(
          "avatar_styles",
          named,
          ["name"],
          list(12, "style").map((name) => gone(flag(name, "true"))),
        ),
        tableOf("feature_flags", named, ["name"], [changed(flag("new_checkout", "true"), { 2: text("false") })]),
      ]
    : tablesOf(scenario);
  const unknown = tables.some((table) => table.shown.unknown !== null);
  return {
    tables,
    changes: {
      tables: tables.map((table) => table.shown),
      again: unknown
        ? finding(
            "again",
            "unknown",
            "Whether running it again would change rows is not known.",
            "One table cannot be read.",
          )
        : finding("again", "pass", "Running it again would change 0 rows.", "Proven: the dry run ran it twice."),
      sequences:
        scenario === "rows-none" || undo ? [] : [{ sequence: "public.ai_models_id_seq", from: "15", to: "19" }],
      notes: [
        ...(unknown
          ? [finding("outside", "unknown", "A trigger calls `dblink_exec`.", "What it does outside is not seen.")]
          : []),
      ],
    },
  };
}

const shown = (cells: CellView[] | null) =>
  (cells ?? []).map((cell) => (cell.kind === "text" ? cell.text : "")).join("\n");

/** A page of changed rows, as the engine would answer. */
export function pageOf(of: FakeChanges, query: RowQuery): RowPage {
  const table = of.tables[query.table];
  if (table === undefined) return { total: 0, rows: [] };
  const fits = (row: RowChange) =>
    (query.kinds.length === 0 || query.kinds.includes(row.kind)) &&
    (query.search === "" ||
      `${shown(row.before)}\n${shown(row.after)}`.toLowerCase().includes(query.search.toLowerCase()));
  const page = (numbers: number[]) => ({
    total: numbers.length,
    rows: numbers.slice(query.offset, query.offset + Math.min(500, query.limit)).map(table.row),
  });
  const isWhole = query.search === "" && (query.kinds.length === 0 || query.kinds.length === 3);
  if (table.amount === MILLION && isWhole) {
    const at = (place: number) => (query.descending ? MILLION - 1 - place : place);
    const amount = Math.max(0, Math.min(query.limit, MILLION - query.offset));
    return { total: MILLION, rows: Array.from({ length: amount }, (_, index) => table.row(at(query.offset + index))) };
  }
  const numbers: number[] = [];
  for (let number = 0; number < table.amount; number += 1) if (fits(table.row(number))) numbers.push(number);
  if (query.sort !== null) {
    const value = (number: number) =>
      shown([(table.row(number).after ?? table.row(number).before)?.[query.sort ?? 0] ?? NULL]);
    numbers.sort(
      (one, other) => value(one).localeCompare(value(other), "en", { numeric: true }) * (query.descending ? -1 : 1),
    );
  }
  return page(numbers);
}
