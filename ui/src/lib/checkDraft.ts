import type { CheckDraft, CheckPart } from "./bindings";

/** A check as the form holds it: texts as they are typed. */
export type CheckFields = {
  kind: "app" | "count" | "no_row";
  name: string;
  part: Extract<CheckPart, "api" | "page">;
  path: string;
  status: string;
  within: string;
  contains: string;
  jsonPath: string;
  jsonValue: string;
  /** A declared credential, `""` for none, `NEW` for one that the form declares. */
  bearer: string;
  newName: string;
  newLabel: string;
  table: string;
  condition: string;
  atLeast: string;
  sql: string;
};

/** No name of a credential: it holds a blank. */
export const NEW = "a new one";

export const blankFields = (): CheckFields => ({
  kind: "app",
  name: "",
  part: "api",
  path: "/",
  status: "200",
  within: "",
  contains: "",
  jsonPath: "",
  jsonValue: "",
  bearer: "",
  newName: "",
  newLabel: "",
  table: "",
  condition: "",
  atLeast: "1",
  sql: "",
});

export type FieldMistakes = Partial<Record<keyof CheckFields, string>>;

const between = (text: string, least: number, most: number): boolean =>
  /^\d+$/.test(text.trim()) && Number(text) >= least && Number(text) <= most;

/** What is wrong in the form, by field. */
export function draftMistakes(fields: CheckFields): FieldMistakes {
  const found: FieldMistakes = {};
  if (fields.name.trim() === "") found.name = "Give it a name: it stands in the list of checks.";
  if (fields.kind === "app") {
    if (!/^\/(?!\/)/.test(fields.path.trim()))
      found.path = "Begin with one /. The app's address is set for the environment.";
    if (fields.status.trim() !== "" && !between(fields.status, 100, 599))
      found.status = "A number from 100 to 599, or nothing.";
    if (fields.within.trim() !== "" && !between(fields.within, 1, 300_000))
      found.within = "Milliseconds from 1 to 300,000, or nothing.";
    if (fields.jsonPath.trim() === "" && fields.jsonValue !== "") found.jsonPath = "Say where this value stands.";
    if (fields.jsonPath.trim() !== "" && fields.jsonValue === "") found.jsonValue = "Say which value it must be.";
    if (fields.jsonPath.trim() !== "" && !fields.jsonPath.trim().startsWith("$"))
      found.jsonPath = "Begin with $, for example $.models[0].name.";
    if (fields.bearer === NEW && !/^[A-Za-z0-9_]+$/.test(fields.newName.trim()))
      found.newName = "Letters, digits and _ only.";
    if (fields.bearer === NEW && fields.newLabel.trim() === "")
      found.newLabel = "Say in words what it is; the secret itself is asked for later.";
  }
  if (fields.kind === "count") {
    if (fields.table.trim() === "") found.table = "Name the table.";
    if (!between(fields.atLeast, 0, 4_294_967_295)) found.atLeast = "A whole number, 0 or more.";
  }
  if (fields.kind === "no_row" && fields.sql.trim() === "") found.sql = "Write a query that reads.";
  return found;
}

const orNull = (text: string): string | null => (text.trim() === "" ? null : text.trim());

/** The form as the engine takes it; only where nothing is wrong in it. */
export function draftOf(fields: CheckFields): CheckDraft {
  const name = fields.name.trim();
  if (fields.kind === "count")
    return {
      name,
      asks: {
        kind: "count",
        table: fields.table.trim(),
        condition: orNull(fields.condition),
        at_least: Number(fields.atLeast),
      },
    };
  if (fields.kind === "no_row") return { name, asks: { kind: "no_row", sql: fields.sql.trim() } };
  const bearer = fields.bearer === NEW ? fields.newName.trim() : fields.bearer;
  return {
    name,
    asks: {
      kind: "app",
      part: fields.part,
      path: fields.path.trim(),
      status: fields.status.trim() === "" ? null : Number(fields.status),
      within_ms: fields.within.trim() === "" ? null : Number(fields.within),
      text: fields.contains === "" ? null : fields.contains,
      json: fields.jsonPath.trim() === "" ? null : [fields.jsonPath.trim(), fields.jsonValue],
      bearer: bearer === "" ? null : bearer,
    },
  };
}
