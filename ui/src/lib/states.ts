import type {
  DriftClass,
  EffectState,
  EnvironmentStatus,
  LineStatus,
  MigrationState,
  Outcome,
  RunStatus,
  StepStatus,
} from "./bindings";
import { timeOfDay } from "./format";
import type { IconName } from "./icons";

/** How urgent something looks. Ink grows with urgency; only `block` is solid. */
export type Tone = "pass" | "warn" | "block" | "unknown" | "running" | "stale" | "idle";

/** A state as it is shown: word, icon and edge. Colour comes last, from the tone. */
export type Dress = { tone: Tone; word: string; icon: IconName };

export const toneDress: Record<Tone, Dress> = {
  pass: { tone: "pass", word: "Pass", icon: "circle-check" },
  warn: { tone: "warn", word: "Warn", icon: "triangle-alert" },
  block: { tone: "block", word: "Block", icon: "octagon-x" },
  unknown: { tone: "unknown", word: "Unknown", icon: "circle-question-mark" },
  running: { tone: "running", word: "Running", icon: "loader-circle" },
  stale: { tone: "stale", word: "Stale", icon: "clock" },
  idle: { tone: "idle", word: "Waiting", icon: "circle" },
};

export const notBuilt: Dress = { tone: "unknown", word: "Not built", icon: "circle-question-mark" };
export const unread: Dress = { tone: "unknown", word: "Not read", icon: "circle-question-mark" };

/** What was not read is unknown; unknown is never a pass. */
export function outcomeDress(outcome: Outcome | null): Dress {
  return outcome === null ? unread : toneDress[outcome];
}

export function environmentDress(status: EnvironmentStatus | null): Dress {
  return status === null ? unread : toneDress[status];
}

export const migrationDress: Record<MigrationState, Dress> = {
  pending: { tone: "idle", word: "Pending", icon: "circle" },
  applied: { tone: "pass", word: "Applied", icon: "circle-check" },
  failed: { tone: "block", word: "Failed", icon: "octagon-x" },
  running: { tone: "running", word: "Running", icon: "loader-circle" },
  rolled_back: { tone: "idle", word: "Rolled back", icon: "undo-2" },
  edited: { tone: "warn", word: "Edited", icon: "file-pen-line" },
  missing: { tone: "warn", word: "Missing", icon: "file-x" },
  unreadable: { tone: "unknown", word: "Unreadable", icon: "circle-question-mark" },
};

export const runDress: Record<RunStatus, Dress> = {
  queued: { tone: "idle", word: "Queued", icon: "circle" },
  running: toneDress.running,
  succeeded: { tone: "pass", word: "Succeeded", icon: "circle-check" },
  failed: { tone: "block", word: "Failed", icon: "octagon-x" },
  cancelled: { tone: "idle", word: "Cancelled", icon: "ban" },
  needs_attention: { tone: "unknown", word: "Needs attention", icon: "circle-question-mark" },
};

export const stepDress: Record<StepStatus, Dress> = {
  queued: { tone: "idle", word: "Queued", icon: "circle" },
  started: toneDress.running,
  waiting: { tone: "warn", word: "Waiting", icon: "hourglass" },
  done: { tone: "pass", word: "Done", icon: "circle-check" },
  failed: { tone: "block", word: "Failed", icon: "octagon-x" },
  taken_back: { tone: "idle", word: "Taken back", icon: "undo-2" },
  not_run: { tone: "idle", word: "Not run", icon: "minus" },
};

/** A step of a run that is over: one that only started has an outcome nobody knows. */
export function endedStepDress(status: StepStatus): Dress {
  return status === "started" || status === "waiting" ? toneDress.unknown : stepDress[status];
}

export const effectDress: Record<EffectState, Dress> = {
  present: { tone: "pass", word: "There", icon: "check" },
  absent: { tone: "idle", word: "Not there", icon: "minus" },
  unknown: { tone: "unknown", word: "Cannot tell", icon: "circle-question-mark" },
  broken: { tone: "block", word: "Half done", icon: "octagon-x" },
};

export const driftDress: Record<DriftClass, { title: string; means: string; dress: Dress }> = {
  dangerous: { title: "Dangerous", means: "the app fails, or may", dress: toneDress.block },
  unknown: { title: "Unknown", means: "does not count as the same", dress: toneDress.unknown },
  harmless: { title: "Harmless", means: "the app works the same", dress: toneDress.pass },
  cosmetic: { title: "Cosmetic", means: "order and names only", dress: toneDress.pass },
};

/** How a line to an SSH host stands. What the engine does not say is unknown. */
export function lineDress(status: LineStatus | null | undefined): Dress {
  if (status === undefined) return { ...toneDress.idle, word: "Asking" };
  if (status === null) return toneDress.unknown;
  switch (status.state?.kind) {
    case "open":
      return { ...toneDress.pass, word: "Open" };
    case "connecting":
      return { ...toneDress.running, word: "Connecting" };
    case "lost":
      return { ...toneDress.block, word: `Lost since ${timeOfDay(status.state.since)}` };
    case "closed":
      return { ...toneDress.idle, word: "Closed; opened when needed" };
    case undefined:
      return { ...toneDress.idle, word: "Not opened yet" };
  }
}

/** The strongest of several outcomes; nothing at all is unknown. */
export function strongest(outcomes: Outcome[]): Outcome {
  for (const outcome of ["block", "unknown", "warn"] as const) if (outcomes.includes(outcome)) return outcome;
  return outcomes.length === 0 ? "unknown" : "pass";
}
