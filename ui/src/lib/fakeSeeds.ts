/**
 * Seeds and undo of the fake shell. Scenarios: rows-many (1,000,000 changes, made as they are asked for), rows-none,
 * rows-unknown, rows-hostile, seeds-empty, seeds-broken, seed-refused, undo, undo-clean, undo-impossible, checks-none,
 * checks-never. In no production bundle.
 */
import type {
  CellView,
  PlanPurpose,
  ProfileSummary,
  RowChanges,
  Run,
  SeedAnswers,
  SeedShelf,
  Step,
  UndoConflict,
  UndoReview,
} from "./bindings";
import { MASKED, NULL, text } from "./fakeRows";
import { ago, blankRun, digest, type World } from "./fakeWorld";
import { whole } from "./format";

const FOLDER = "/home/ops/atelier/seeds";

const place = (line: number, file = "profile.toml") => ({ file, line });

function profiles(world: World, scenario: string): ProfileSummary[] {
  if (scenario === "seeds-empty") return [];
  const base = { last: null, problems: [], refused: null, inputs: [], scale: null, expectations: 0, bundled: false };
  const everywhere = ["development", "staging", "production"] as const;
  return [
    {
      ...base,
      id: `${FOLDER}/avatar-models`,
      title: "Avatar models",
      description: "The models to choose from, their styles, and the first administrator.",
      tiers: [...everywhere],
      expectations: 5,
      inputs: [
        {
          name: "admin_email",
          label: "E-mail of the first administrator",
          help: "Gets the first invitation.",
          optional: false,
          at: place(9),
          kind: { kind: "email", default: null },
        },
        {
          name: "admin_password",
          label: "Password of the administrator",
          help: null,
          optional: false,
          at: place(14),
          kind: { kind: "password", hash: { memory_kib: 65_536, passes: 3, lanes: 4 } },
        },
        {
          name: "region",
          label: "Region",
          help: null,
          optional: false,
          at: place(20),
          kind: { kind: "choice", default: "eu", choices: ["eu", "us", "apac"] },
        },
        {
          name: "credits",
          label: "Credits to begin with",
          help: null,
          optional: false,
          at: place(25),
          kind: { kind: "number", default: "10", min: "1", max: "100" },
        },
        {
          name: "note",
          label: "Note",
          help: null,
          optional: true,
          at: place(31),
          kind: { kind: "text", default: null, shortest: null, longest: 80 },
        },
        {
          name: "notify",
          label: "Send the invitation at once",
          help: null,
          optional: false,
          at: place(36),
          kind: { kind: "boolean", default: false },
        },
      ],
      writes: {
        kind: "tables",
        blocks: [
          { table: "public.ai_models", mode: { kind: "upsert" }, key: ["slug"], rows: 17 },
          { table: "public.avatar_styles", mode: { kind: "insert_missing" }, key: ["name"], rows: 12 },
          { table: "public.feature_flags", mode: { kind: "upsert" }, key: ["name"], rows: 25 },
          { table: "public.users", mode: { kind: "upsert" }, key: ["email"], rows: 1 },
        ],
      },
    },
    {
      ...base,
      id: `${FOLDER}/price-list`,
      title: "price-list",
      description: "",
      tiers: [],
      writes: { kind: "unreadable" },
      problems: [
        { at: place(12), what: "`collumns` is not a key of `[[tables]]`.", next: "Write `columns`." },
        {
          at: place(31, "prices.csv"),
          what: "This line has 5 fields, the header has 4.",
          next: "Put the value with a comma between quotes.",
        },
      ],
    },
    {
      ...base,
      id: "bundled:feature-flags",
      title: "Feature flags",
      description: "The switches the application expects, all of them off.",
      bundled: true,
      tiers: [...everywhere],
      expectations: 1,
      writes: {
        kind: "tables",
        blocks: [{ table: "public.feature_flags", mode: { kind: "insert_missing" }, key: ["name"], rows: 24 }],
      },
    },
    {
      ...base,
      id: "bundled:demo-data",
      title: "Demo data",
      description: "Invented clients and orders, the same at every run.",
      bundled: true,
      tiers: ["development"],
      scale: { default: 1, max: 1000 },
      refused:
        world.environment.tier === "development"
          ? null
          : `It may run in development only; ${world.environment.name} is ${world.environment.tier}.`,
      writes: {
        kind: "tables",
        blocks: [
          { table: "public.clients", mode: { kind: "top_up", count: 200 }, key: ["code"], rows: 200 },
          { table: "public.orders", mode: { kind: "replace" }, key: ["number"], rows: 1000 },
        ],
      },
    },
  ];
}

const folders = new Map<string, string[]>();
const last = new Map<string, ProfileSummary["last"]>();

export function shelf(world: World, scenario: string): SeedShelf {
  const id = world.environment.id;
  if (!folders.has(id)) folders.set(id, scenario === "seeds-empty" ? [] : [FOLDER]);
  const kept = folders.get(id) ?? [];
  const found = profiles(world, kept.length > 0 && scenario === "seeds-empty" ? "" : scenario);
  return {
    profiles: found
      .filter((profile) => profile.bundled || kept.length > 0)
      .map((profile) => ({ ...profile, last: last.get(`${id}/${profile.id}`) ?? null })),
    folders: kept,
    unreadable: kept.includes("/media/stick/seeds") ? ["`/media/stick/seeds`: no such folder."] : [],
  };
}

export function addFolder(world: World, folder: string) {
  const kept = folders.get(world.environment.id) ?? [];
  if (!kept.includes(folder)) folders.set(world.environment.id, [...kept, folder]);
}

export function removeFolder(world: World, folder: string) {
  const kept = folders.get(world.environment.id) ?? [];
  folders.set(
    world.environment.id,
    kept.filter((one) => one !== folder),
  );
}

export function applied(world: World, profile: string, run: Run) {
  last.set(`${world.environment.id}/${profile}`, {
    run_id: run.id,
    number: run.number,
    status: run.status,
    at: run.started_at,
  });
}

/** The steps of a seed, from its answers. */
export function seedSteps(profile: ProfileSummary, answers: SeedAnswers): Step[] {
  return [
    { kind: "check" },
    {
      kind: "seed",
      profile: profile.id,
      title: profile.title,
      files: digest(profile.id),
      answers: profile.inputs.map((input) => {
        const value = answers.answers.find((one) => one.name === input.name)?.value;
        return {
          name: input.name,
          label: input.label,
          value: value?.kind === "text" ? value.text : null,
          password: input.kind.kind === "password",
        };
      }),
      hashes: [],
      scale: answers.scale ?? 1,
      draw: "",
      now: ago(0),
      writes: profile.writes,
      reseed: answers.reseed ?? false,
    },
    { kind: "verify" },
  ];
}

/** What a review of such a plan says. */
export function words(
  purpose: PlanPurpose,
  changes: RowChanges | null,
  number: number,
): { headline: string; lead: string } {
  if (changes === null)
    return {
      headline: `Plan ${number} has not been tried yet.`,
      lead: "A dry run writes it in one transaction and takes everything back.",
    };
  const sum = (kind: "inserted" | "updated" | "deleted") =>
    changes.tables.reduce((total, table) => total + table[kind], 0);
  const undo = purpose.kind === "undo";
  const parts = [
    sum("inserted") > 0 ? `add ${whole(sum("inserted"))} ${sum("inserted") === 1 ? "row" : "rows"}` : "",
    sum("updated") > 0
      ? `change ${whole(sum("updated"))}${sum("inserted") > 0 ? "" : sum("updated") === 1 ? " row" : " rows"}`
      : "",
    sum("deleted") > 0 ? `delete ${whole(sum("deleted"))}` : "",
  ].filter(Boolean);
  const what =
    parts.length === 0
      ? "change nothing"
      : parts.length === 1
        ? parts[0]
        : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
  const title =
    purpose.kind === "seed"
      ? `Profile ${purpose.title}`
      : purpose.kind === "undo"
        ? `Undo of run ${purpose.run_number}`
        : "";
  return {
    headline: `This ${undo ? "undo" : "seed"} would ${what}.`,
    lead: `${title}, dry run just now. It ran for 0.8 s and was taken back; no row has changed.`,
  };
}

/** A seed that ran before the fake began, for what can be undone. */
export function seedRun(world: World): Run {
  return {
    ...blankRun("run-152", 152, world, "succeeded", "Seed Avatar models"),
    started_at: ago(1_260),
    ended_at: ago(1_259),
    steps: [
      { index: 0, verb: "Check", title: "identity, ledger and catalogue", status: "done", seconds: 0.2, note: null },
      { index: 1, verb: "Seed", title: "Avatar models", status: "done", seconds: 0.8, note: "21 row changes" },
      { index: 2, verb: "Verify", title: "rows as the dry run showed", status: "done", seconds: 0.3, note: null },
    ],
    aftermath: ["17 rows were added and 4 changed, as the dry run showed."],
  };
}

function conflicts(): UndoConflict[] {
  const three = (
    name: string,
    before: CellView | null,
    wrote: CellView | null,
    now: CellView | null,
    ours = true,
    since = true,
  ) => ({
    column: name,
    before,
    wrote,
    now,
    ours,
    since,
  });
  const base = { used_by: [], impossible: null };
  return [
    {
      ...base,
      row: "a1",
      table: "public.ai_models",
      key: "slug portrait-v2",
      kind: "updated",
      reason: "changed_since",
      columns: [three("credits", text("4"), text("5"), text("6"))],
    },
    {
      ...base,
      row: "a2",
      table: "public.ai_models",
      key: "slug sketch-lite",
      kind: "updated",
      reason: "changed_since",
      columns: [
        three("enabled", text("true"), text("false"), text("false"), true, false),
        three("api_key", MASKED, MASKED, MASKED),
        three("note", NULL, text(""), text("NULL")),
      ],
    },
    {
      ...base,
      row: "a3",
      table: "public.avatar_styles",
      key: "name ink-wash",
      kind: "inserted",
      reason: "used_by_newer",
      columns: [],
      used_by: [{ table: "public.avatars", rows: 5, effect: "they stay, with style_id NULL" }],
    },
    {
      ...base,
      row: "a4",
      table: "public.users",
      key: "email <b>x</b>\u202e@example.com",
      kind: "updated",
      reason: "gone_since",
      columns: [three("name", text("Ada"), text("Ada L."), null)],
      impossible: "It is not there any more, so there is nothing to take back.",
    },
  ];
}

export function undoReview(run: Run, scenario: string): UndoReview {
  const asked = scenario === "undo-clean" || scenario === "undo-impossible" ? [] : conflicts();
  const impossible = scenario === "undo-impossible";
  return {
    run_id: run.id,
    run_number: run.number,
    run_title: run.title,
    run_at: run.ended_at ?? run.started_at,
    at: ago(0),
    impossible: impossible ? "What was there before the run was kept for 30 days; they are over." : null,
    changes: impossible ? 0 : 21,
    untouched: impossible ? 0 : 21 - asked.length,
    conflicts: asked,
    conflicts_total: asked.length,
    refused: scenario === "undo" ? ["`public.audit_log`: a trigger wrote it, and nothing tells its rows apart."] : [],
  };
}
