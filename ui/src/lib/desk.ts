/** The release desk: what its one next button does, and how its items stand. */
import type { Place } from "../state/navigation.svelte";
import type { Desk, DeskAction, DeskItem, DeskLink, DeskState, Gate, Release, Stage } from "./bindings";
import { clockSpan, count, span, timeOfDay } from "./format";
import { toneDress, type Dress } from "./states";

const stateDress: Record<DeskState, Dress> = {
  pass: toneDress.pass,
  warn: toneDress.warn,
  waiting: toneDress.idle,
  running: toneDress.running,
  unknown: toneDress.unknown,
  block: toneDress.block,
  locked: { tone: "idle", word: "Locked", icon: "lock" },
};

/** What was read too long ago still blocks or is unknown, but it passes nothing. */
export function deskDress(state: DeskState, old = false): Dress {
  return old && (state === "pass" || state === "warn" || state === "running") ? toneDress.stale : stateDress[state];
}

export type TickLook = "on" | "warn" | "old" | "unknown" | "locked" | "empty";

/** Only evidence ticks; unknown never does. */
export function tickOf(state: DeskState, old = false): TickLook {
  if (state === "pass" || state === "warn") return old ? "old" : state === "pass" ? "on" : "warn";
  return state === "unknown" || state === "locked" ? state : "empty";
}

/** Minutes after which what was read is old. */
const GOOD = 5;

export function isOld(desk: Desk, now: number): boolean {
  return desk.release !== null && now - Date.parse(desk.read_at) > GOOD * 60_000;
}

/** A run is at work, so the desk moves by itself. */
export function isMoving(desk: Desk): boolean {
  return desk.stages.some((stage) => stage.state === "running" || stage.items.some((item) => item.state === "running"));
}

export function placeOf(link: DeskLink, environment: string): Place {
  switch (link.kind) {
    case "doctor":
    case "migrations":
    case "drift":
    case "verification":
    case "backups":
      return { screen: link.kind, environment };
    case "backup":
      return { screen: "backup", environment, backup: link.id };
    case "plan":
      return { screen: "plan", environment, plan: link.id };
    case "run":
      return { screen: "run", environment, run: link.id };
  }
}

export const linkWords: Record<DeskLink["kind"], string> = {
  doctor: "Test the connection",
  migrations: "Show the migrations",
  drift: "Show the drift",
  verification: "Show the checks",
  backups: "Show the backups",
  backup: "Show the backup",
  plan: "Show the plan",
  run: "Show the run",
};

/** What the next button does: leads elsewhere, asks something first, or works while one stays here. */
export type DeskPress =
  | { kind: "go"; place: Place }
  | { kind: "ask"; what: "lift" }
  | { kind: "ask"; what: "say"; item: string }
  | { kind: "ask"; what: "apply"; plan: string }
  | { kind: "do"; what: "read" | "begin" | "plan" | "compare" | "verify" | "end" }
  | { kind: "do"; what: "dry_run" | "back_up"; plan: string }
  | { kind: "do"; what: "prove"; backup: string };

const read: DeskPress = { kind: "do", what: "read" };
const go = (place: Place): DeskPress => ({ kind: "go", place });

/** Where the subject that an action needs is not told, nothing is guessed: its list opens, or all is read again. */
export function pressOf(desk: Desk, environment: string): DeskPress {
  const { action, subject } = desk.next;
  const plan = desk.release?.plan_id ?? null;
  switch (action) {
    case "begin":
      return { kind: "do", what: "begin" };
    case "open_doctor":
      return go({ screen: "doctor", environment });
    case "lift_freeze":
      return { kind: "ask", what: "lift" };
    case "open_run":
      return go(subject === null ? { screen: "runs", environment } : { screen: "run", environment, run: subject });
    case "open_migrations":
      return go({ screen: "migrations", environment });
    case "open_drift":
      return go({ screen: "drift", environment });
    case "open_verification":
      return go({ screen: "verification", environment });
    case "compare_drift":
      return { kind: "do", what: "compare" };
    case "say":
      return subject === null || itemOf(desk, subject) === null ? read : { kind: "ask", what: "say", item: subject };
    case "make_plan":
      return { kind: "do", what: "plan" };
    case "open_plan":
      return subject === null
        ? go({ screen: "migrations", environment })
        : go({ screen: "plan", environment, plan: subject });
    case "dry_run":
    case "back_up":
      return plan === null ? read : { kind: "do", what: action, plan };
    case "prove":
      return subject === null ? go({ screen: "backups", environment }) : { kind: "do", what: "prove", backup: subject };
    case "open_backup":
      return go(
        subject === null ? { screen: "backups", environment } : { screen: "backup", environment, backup: subject },
      );
    case "apply":
      return plan === null ? read : { kind: "ask", what: "apply", plan };
    case "verify":
      return { kind: "do", what: "verify" };
    case "end":
      return { kind: "do", what: "end" };
    case "read_again":
    case "nothing":
      return read;
  }
}

/** What the button says while it works. */
export const busyWords: Partial<Record<DeskAction, string>> = {
  begin: "Beginning…",
  compare_drift: "Comparing…",
  make_plan: "Planning…",
  dry_run: "Starting…",
  back_up: "Starting…",
  prove: "Starting…",
  apply: "One moment…",
  verify: "Verifying…",
  end: "Ending…",
  read_again: "Reading…",
  nothing: "Reading…",
};

export function itemOf(desk: Desk, id: string): DeskItem | null {
  for (const stage of desk.stages) for (const item of stage.items) if (item.id === id) return item;
  return null;
}

const afterApply = (stage: Stage) => stage === "verify" || stage === "watch";

/** Seconds until a person may say an item; null: its time has come. */
export function secondsUntil(item: DeskItem, now: number): number | null {
  if (item.not_before === null || item.said !== null) return null;
  const left = (Date.parse(item.not_before) - now) / 1000;
  return left > 0 ? left : null;
}

/** What went before an apply is closed once it is applied; what comes after it is not open yet. */
function isOpen(desk: Desk, stage: Stage): boolean {
  if (afterApply(stage)) return desk.applied_at !== null;
  if (desk.applied_at !== null) return false;
  return stage === "prepare" || stage === "apply" || desk.release?.plan_id != null;
}

export function maySay(desk: Desk, stage: Stage, item: DeskItem, now: number): boolean {
  return item.by_person && item.said === null && isOpen(desk, stage) && secondsUntil(item, now) === null;
}

export function mayUnsay(desk: Desk, stage: Stage, item: DeskItem): boolean {
  return item.said !== null && isOpen(desk, stage);
}

/** The next moment at which an item may be said that may not be said now. */
export function nextMoment(desk: Desk, now: number): number | null {
  const moments = desk.stages
    .flatMap((stage) => stage.items)
    .flatMap((item) =>
      secondsUntil(item, now) === null || item.not_before === null ? [] : [Date.parse(item.not_before)],
    );
  return moments.length === 0 ? null : Math.min(...moments);
}

/** A time to come, counted down: `4:31`, `23 h 59 min`. */
export function countdown(seconds: number): string {
  return seconds < 3600 ? clockSpan(Math.ceil(seconds)) : span(seconds);
}

export type WatchMark = { words: string; state: "later" | "counting" | "over"; note: string };

const marks: [string, number][] = [
  ["5 min", 300],
  ["30 min", 1_800],
  ["24 h", 86_400],
];

/** The watch after an apply, counted from its end. */
export function watchMarks(appliedAt: string | null, now: number): WatchMark[] {
  return marks.map(([words, after]) => {
    if (appliedAt === null) return { words, state: "later", note: "" };
    const at = Date.parse(appliedAt) + after * 1000;
    return at > now
      ? { words, state: "counting", note: `in ${countdown((at - now) / 1000)}` }
      : { words, state: "over", note: `since ${timeOfDay(new Date(at).toISOString(), false)}` };
  });
}

/** Whether the gates let it pass, in a sentence; one that a typed reason opens is locked without it. */
export function gatesWords(gates: Gate[]): { closed: boolean; words: string } {
  const closed = gates.filter(({ outcome }) => outcome === "block" || outcome === "unknown").length;
  const warns = gates.filter((gate) => gate.outcome === "warn").length;
  if (closed > 0) return { closed: true, words: `Apply is locked by ${closed} of ${count(gates.length, "gate")}` };
  return {
    closed: false,
    words:
      warns > 0
        ? `All gates are open, ${warns} ${warns === 1 ? "warns" : "warn"}`
        : gates.length === 1
          ? "The only gate passes"
          : `All ${gates.length} gates pass`,
  };
}

/** The dry run was tried, so its gates say something. */
export function isTried(desk: Desk): boolean {
  const state = desk.stages.find((stage) => stage.stage === "dry_run")?.state;
  return state !== undefined && state !== "waiting" && state !== "locked";
}

export function releaseWords(release: Release): string {
  return release.kind === "seed" ? "A seed" : "Migrations";
}

export function endWords(release: Release): string {
  return release.put_away === null ? "Through" : `Put away: ${release.put_away}`;
}
