import type { CheckPart, CheckReading, CheckResult, Outcome, Writes } from "./bindings";
import { instruments } from "./instruments";
import { toneDress, type Dress } from "./states";

export const partWords: Record<CheckPart, string> = {
  database: "Database",
  schema: "Schema",
  api: "API",
  page: "Page",
  functional: "Functional",
};
/** In the order that they are shown. */
const parts = Object.keys(partWords) as CheckPart[];

const good = instruments.find((instrument) => instrument.name === "verification")?.good ?? 0;

/** A check's verdict as it is shown: what held an hour ago is stale, and stale is not a pass. */
export function verdict(outcome: Outcome, at: string, now: number): Dress {
  if (outcome === "block") return { ...toneDress.block, word: "Failed" };
  if (outcome === "pass" && (now - Date.parse(at)) / 1000 > good) return toneDress.stale;
  return toneDress[outcome];
}

/** Whether it was left out so far because it writes; the engine gives such a one no reading, and no time it took. */
export function isLeftOut(check: CheckResult): boolean {
  return check.writes != null && check.outcome === "unknown" && check.seconds === 0 && asked(check).length === 0;
}

/** The verdict of a check; one that was never run has a word of its own. */
export function checkVerdict(check: CheckResult, now: number): Dress {
  const dress = verdict(check.outcome, check.at, now);
  return isLeftOut(check) ? { ...dress, word: "Not run" } : dress;
}

/** The requests of a check of the app. */
export const asked = (check: CheckResult) => check.requests ?? [];

/** Who it writes as and what becomes of that, as a sentence. */
export function writesWords(writes: Writes): string {
  return writes.leaves === null
    ? `It writes as ${writes.account}; its last requests take that back.`
    : `It writes as ${writes.account} and leaves behind: ${writes.leaves.replace(/\.$/, "")}.`;
}

/** Checks by part, each in the order it came. */
export function byPart(checks: CheckResult[]): { part: CheckPart; checks: CheckResult[]; hold: number }[] {
  return parts
    .map((part) => {
      const found = checks.filter((check) => check.part === part);
      return { part, checks: found, hold: found.filter((check) => check.outcome === "pass").length };
    })
    .filter((group) => group.checks.length > 0);
}

/** What to open first: what fails, then what is not known, then what warns. */
export function worst(checks: CheckResult[]): CheckResult | null {
  for (const outcome of ["block", "unknown", "warn"] as const) {
    const found = checks.find((check) => check.outcome === outcome);
    if (found !== undefined) return found;
  }
  return null;
}

/** An age in few characters, for a column of them: `4 s`, `2 h`. */
export function shortAge(at: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(at)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export type ChartPoint = { x: number; y: number; reading: CheckReading };

/** Places of readings in a box: time to the right, value upwards. What is no number, or was not read, has no height. */
export function chartOf(
  readings: CheckReading[],
  box: { width: number; height: number },
): { points: ChartPoint[]; numeric: boolean } {
  const times = readings.map((reading) => Date.parse(reading.at));
  const first = Math.min(...times);
  const last = Math.max(...times);
  const numbers = readings.map((reading) => (reading.now === null ? null : toNumber(reading.now)));
  const numeric = numbers.every((number, index) => number !== null || readings[index]?.now === null);
  const known = numbers.filter((number) => number !== null);
  const [least, most] = [Math.min(0, ...known), Math.max(...known, 0)];
  const points = readings.map((reading, index) => {
    const number = numbers[index] ?? null;
    return {
      reading,
      x: last === first ? box.width : (((times[index] ?? first) - first) / (last - first)) * box.width,
      y:
        !numeric || number === null || most === least
          ? box.height
          : (1 - (number - least) / (most - least)) * box.height,
    };
  });
  return { points, numeric };
}

/** Only for drawing: how high a value stands. Values themselves stay text. */
function toNumber(text: string): number | null {
  return /^[+-]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : null;
}

/** Since when the present verdict holds: the first reading of the last unbroken row of it. */
export function since(readings: CheckReading[]): CheckReading | null {
  const last = readings.at(-1);
  if (last === undefined) return null;
  let found = last;
  for (const reading of readings.toReversed()) {
    if (reading.outcome !== last.outcome) break;
    found = reading;
  }
  return found;
}
