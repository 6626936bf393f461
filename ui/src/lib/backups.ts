import type {
  BackupKind,
  BackupPolicy,
  BackupRequest,
  BackupScope,
  BackupView,
  Beside,
  Plan,
  Proof,
  ProofState,
  RunStep,
  TableName,
} from "./bindings";
import { ago, bytes, count, day, timeOfDay, whole } from "./format";
import { toneDress, type Dress } from "./states";

export const kindWords: Record<BackupKind, string> = { deep: "Deep", quick: "Quick" };

/** A table as a person writes it: the schema only where it is another one than public. */
export function tableWords({ schema, name }: TableName): string {
  return schema === "public" ? name : `${schema}.${name}`;
}

function scopeWords(scope: BackupScope): string {
  switch (scope.kind) {
    case "whole":
      return "the whole database";
    case "schemas":
      return scope.schemas.length === 1 ? `schema ${scope.schemas[0]}` : `${scope.schemas.length} schemas`;
    case "tables":
      return scope.tables.length === 1 && scope.tables[0] !== undefined
        ? `table ${tableWords(scope.tables[0])}`
        : `${scope.tables.length} tables`;
  }
}

/** The database that a restore makes beside its target, if it is one that does. */
export function besideOf(plan: Plan): Beside | null {
  return plan.steps.find((step) => step.kind === "restore")?.beside ?? null;
}

/** `the whole database, deep`. */
export function requestWords(request: BackupRequest): string {
  return `${scopeWords(request.scope)}, ${request.kind}`;
}

const midnight = (at: number) => new Date(at).setHours(0, 0, 0, 0);

/** How many midnights lie between then and now. */
function daysBetween(then: string, now: number): number {
  return Math.round((midnight(now) - midnight(Date.parse(then))) / 86_400_000);
}

/** `Today 14:02`, `Yesterday 02:00`, `Sun 02:00`, `9 Jun 02:00`. */
export function taken(then: string, now: number): string {
  const days = daysBetween(then, now);
  const time = timeOfDay(then, false);
  if (days === 0) return `Today ${time}`;
  if (days === 1) return `Yesterday ${time}`;
  if (days > 1 && days < 7) return `${new Date(then).toLocaleDateString("en-GB", { weekday: "short" })} ${time}`;
  return `${day(then, now)} ${time}`;
}

/** The same inside a sentence: `14:02`, `yesterday 02:00`, `Sun 02:00`. */
export function takenAt(then: string, now: number): string {
  const words = taken(then, now);
  return words.startsWith("Today ") ? words.slice(6) : words.startsWith("Y") ? `y${words.slice(1)}` : words;
}

/** `Deep backup, today 14:02`. */
export function titleOf(view: BackupView, now: number): string {
  return `${kindWords[view.kind]} backup, ${taken(view.taken_at, now).replace(/^[TY]/, (letter) => letter.toLowerCase())}`;
}

/** How far a backup can be trusted, and what stands beside the word. */
export type Trust = { dress: Dress; beside: string };

const proven: Dress = { tone: "pass", word: "Proven", icon: "badge-check" };
const proofs: Record<Exclude<ProofState, "proven">, Trust> = {
  unproven: { dress: { ...toneDress.unknown, word: "Unproven" }, beside: "never restored" },
  proving: { dress: { ...toneDress.running, word: "Proving" }, beside: "being restored" },
  failed: { dress: { ...toneDress.block, word: "Failed" }, beside: "do not use" },
  unknown: { dress: toneDress.unknown, beside: "not found out" },
};

/** Proven longer ago than the environment's own rule allows counts as old. */
export function trustOf(view: BackupView, policy: BackupPolicy, now: number): Trust {
  switch (view.state) {
    case "taking":
      return { dress: { ...toneDress.running, word: "Taking" }, beside: ago(view.taken_at, now) };
    case "broken":
      return { dress: { ...toneDress.block, word: "Broken" }, beside: "do not use" };
    case "gone":
      return { dress: { ...toneDress.warn, word: "Gone" }, beside: "folder not found" };
    case "complete":
      break;
  }
  if (!view.has_key) return { dress: { tone: "warn", word: "No key", icon: "key-round" }, beside: "import it" };
  if (view.proof !== "proven") return proofs[view.proof];
  const at = view.proof_at ?? view.taken_at;
  const hours = (now - Date.parse(at)) / 3_600_000;
  return policy.old_after_hours > 0 && hours > policy.old_after_hours
    ? { dress: { ...proven, tone: "stale", icon: "clock" }, beside: ago(at, now) }
    : { dress: proven, beside: daysBetween(at, now) === 0 ? `at ${timeOfDay(at, false)}` : ago(at, now) };
}

export function proofTitle({ state }: Proof): string {
  return state === "proven"
    ? "What was proven"
    : state === "failed"
      ? "What did not hold"
      : "What could not be found out";
}

export type Shown = "all" | "deep" | "quick" | "open";

export const isShown: Record<Shown, (view: BackupView) => boolean> = {
  all: () => true,
  deep: (view) => view.kind === "deep",
  quick: (view) => view.kind === "quick",
  open: (view) => view.state !== "complete" || view.proof !== "proven",
};

/** Something is being done with it right now. */
export function isAtWork(view: BackupView): boolean {
  return view.state === "taking" || view.proof === "proving";
}

/** Why a backup cannot be restored or proven now; false: it can. */
export function closedWhy(view: BackupView): string | false {
  switch (view.state) {
    case "taking":
      return "It is still being taken.";
    case "broken":
      return "It was never finished; nothing of it can be restored.";
    case "gone":
      return "Its folder is gone.";
    case "complete":
      return view.has_key ? false : "Its key is not on this computer. Import it first.";
  }
}

/** What the rules of keeping say, in a sentence. */
export function keepingWords(policy: BackupPolicy): string {
  const rules = [
    policy.keep_days > 0 ? `older than ${count(policy.keep_days, "day")}` : "",
    policy.keep_count > 0 ? `more than ${whole(policy.keep_count)}` : "",
    policy.keep_gb > 0 ? `beyond ${whole(policy.keep_gb)} GB` : "",
  ].filter(Boolean);
  if (rules.length === 0) return "Nothing is removed by itself.";
  const said = rules.join(", or ");
  return `${said.charAt(0).toUpperCase()}${said.slice(1)} is removed; the newest proven one and imports always stay.`;
}

/** `19.7 GB used, 44.3 GB free`. */
export function roomWords(used: number, free: number | null): string {
  return `${bytes(used)} used, ${free === null ? "free room not known" : `${bytes(free)} free`}`;
}

/** Names between commas, blanks or line breaks; quotes keep them as they are, as in SQL. */
export function namesIn(text: string): string[] {
  return [...new Set(text.match(/(?:"(?:[^"]|"")*"|[^\s,"]+)+/g) ?? [])];
}

const bare = (part: string) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part);

/** `schema.name`, or a name alone, which is of the schema that the environment works in. */
export function tableIn(name: string, schema: string): TableName {
  const parts = (name.match(/"(?:[^"]|"")*"|[^."]+/g) ?? []).map(bare);
  const [first = "", second] = parts;
  return second === undefined ? { schema, name: first } : { schema: first, name: second };
}

export const schemaIn = bare;

/** How a table is typed so that it is found again. */
export function tableText({ schema, name }: TableName): string {
  const part = (text: string) => (/^[^\s,."]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`);
  return `${part(schema)}.${part(name)}`;
}

/** Seconds left of moving bytes or tables; null: it cannot be told yet. */
export function secondsLeft(moved: {
  bytes: number;
  bytes_total: number;
  tables_done: number;
  tables_total: number;
  seconds: number;
}): number | null {
  if (moved.seconds < 2) return null;
  const share = moved.bytes_total > 0 ? moved.bytes / moved.bytes_total : moved.tables_done / moved.tables_total;
  return share > 0.02 && share < 1 ? (moved.seconds / share) * (1 - share) : null;
}

/** The step of a run that takes the backup got through: what it stored stays. */
export function isStored(steps: RunStep[]): boolean {
  return steps.some((step) => (step.verb === "Back up" || step.verb === "Import") && step.status === "done");
}

/** The newest proven one of each kind: the engine never removes it. An import is none: of which database it is, is not known. */
export function staysWhatever(backups: BackupView[]): Set<string> {
  const stays = (["deep", "quick"] as const).flatMap((kind) => {
    const good = backups.filter(
      (one) => one.kind === kind && one.knows_database && one.state === "complete" && one.proof === "proven",
    );
    return good.sort((one, other) => Date.parse(other.taken_at) - Date.parse(one.taken_at)).slice(0, 1);
  });
  return new Set(stays.map(({ id }) => id));
}

/** A file in a folder, with the separator that the folder is written with. */
export function joined(folder: string, file: string): string {
  const separator = folder.includes("\\") ? "\\" : "/";
  return folder.endsWith(separator) ? `${folder}${file}` : `${folder}${separator}${file}`;
}
