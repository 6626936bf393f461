import type { PlanPurpose, Run, RunStep } from "./bindings";
import { isStored } from "./backups";
import { count } from "./format";

/** What a run is about. */
export type Work =
  | "migrations"
  | "seed"
  | "undo"
  | "app"
  | "repair"
  | "plan"
  | "backup"
  | "import"
  | "proof"
  | "restore"
  | "swap_back"
  | "roll_back";

/** Purposes of plans that name what the run is about. */
const named = ["seed", "undo", "restore", "swap_back", "roll_back"] as const;

/** As its plan says, else as far as its steps tell: a dry run's steps name what they try, not how. */
export function workOf(steps: RunStep[], purpose: PlanPurpose["kind"] | null): Work {
  if (steps.some((step) => step.verb === "Call")) return "app";
  const own = named.find((one) => one === purpose);
  if (own !== undefined) return own;
  if (purpose === "back_up") return "backup";
  if (purpose === "import") return "import";
  if (purpose === "prove") return "proof";
  if (purpose !== null) return purpose === "apply_pending" || purpose === "baseline" ? "migrations" : "repair";
  const has = (verb: string) => steps.some((step) => step.verb === verb);
  if (has("Migrate") || steps.some((step) => step.verb === "Dry run" && /^\d{14}_/.test(step.title)))
    return "migrations";
  if (has("Seed")) return "seed";
  if (has("Undo") || steps.some((step) => step.verb === "Dry run" && step.title.startsWith("undo of run ")))
    return "undo";
  /* A restore begins with a backup of what is there. */
  if (has("Restore")) return "restore";
  if (has("Swap back")) return "swap_back";
  if (has("Roll back")) return "roll_back";
  if (has("Back up")) return "backup";
  if (has("Import")) return "import";
  if (has("Prove")) return "proof";
  return has("Dry run") ? "plan" : "repair";
}

/** It only reads the target. */
export function onlyReads(work: Work): boolean {
  return work === "backup" || work === "import" || work === "proof";
}

/** The steps that are migrations. */
export function migrationsIn(steps: RunStep[], work: Work): RunStep[] {
  return steps.filter((step) => step.verb === "Migrate" || (work === "migrations" && step.verb === "Dry run"));
}

const subjects: Record<Work, { one: string; whole: string }> = {
  migrations: { one: "migration", whole: "The migrations" },
  seed: { one: "seed", whole: "The seed" },
  undo: { one: "undo", whole: "The undo" },
  app: { one: "requests", whole: "What the app was asked for" },
  repair: { one: "repair", whole: "The repair" },
  plan: { one: "plan", whole: "The plan" },
  backup: { one: "backup", whole: "The backup" },
  import: { one: "import", whole: "The import" },
  proof: { one: "proof", whole: "The proof" },
  restore: { one: "restore", whole: "The restore" },
  swap_back: { one: "exchange of names", whole: "The way back" },
  roll_back: { one: "roll back", whole: "The roll back" },
};

/** What a run at work is doing. */
export function liveHeadline(dry: boolean, steps: RunStep[], waits: boolean, work: Work): string {
  const migrations = migrationsIn(steps, work);
  const done = migrations.filter((step) => step.status === "done").length;
  if (work === "migrations" && migrations.length > 0) {
    const total = count(migrations.length, "migration");
    if (waits) return `${done} of ${total} ${dry ? "worked" : "are in"}. The next one waits for a lock.`;
    return dry
      ? `Trying ${total}. All of it will be taken back.`
      : `${done} of ${total} ${done === 1 ? "is" : "are"} in.`;
  }
  if (waits) return "The run waits for a lock.";
  if (work === "app") return "The app is being asked, request by request.";
  if (work === "backup")
    return isStored(steps) ? "The backup is stored. Now it is being proven." : "The backup is being taken.";
  if (work === "import")
    return isStored(steps) ? "The dump is imported. Now it is being proven." : "The dump is being imported.";
  if (work === "proof") return "The backup is being proven.";
  if (work === "restore") return "The backup is being restored.";
  if (work === "swap_back") return "The names of both databases are being exchanged.";
  return dry ? `Trying the ${subjects[work].one}. It will be taken back.` : `${subjects[work].whole} is being applied.`;
}

/** What stays when a run at work is cancelled now. */
export function staysWhenCancelled(dry: boolean, steps: RunStep[], work: Work): string {
  if (dry) return "Everything is taken back, as it would be at the end.";
  const done = migrationsIn(steps, work).filter((step) => step.status === "done").length;
  if (done > 0)
    return `${count(done, "migration")} ${done === 1 ? "is" : "are"} in and ${done === 1 ? "stays" : "stay"} in.`;
  switch (work) {
    case "seed":
    case "undo":
      return "No row has changed.";
    case "backup":
      return isStored(steps)
        ? "The backup is stored and stays, not proven. The database was only read."
        : "Nothing of the backup is kept. The database was only read.";
    case "import":
      return isStored(steps)
        ? "The backup is stored and stays, not proven. No database of yours was touched."
        : "Nothing of the import is kept. No database of yours was touched.";
    case "proof":
      return "The backup stays as it is. No database of yours was touched.";
    case "restore":
    case "swap_back":
    case "roll_back":
      return "What was there before stays.";
    default:
      return "Nothing has been applied yet.";
  }
}

/** What a backup, a proof or a restore that is over has done. */
function endedOfBackups(run: Run, work: "backup" | "import" | "proof" | "restore"): string {
  const stored = isStored(run.steps);
  const proven = run.steps.some((step) => step.verb === "Prove" && step.status === "done");
  const words = {
    backup: {
      succeeded: proven ? "The backup is stored and proven." : "The backup is stored. It is not proven yet.",
      cancelled: stored
        ? "The proof was cancelled. The backup is stored, and not proven."
        : "The backup was cancelled. Nothing of it was kept.",
      failed: stored ? "The backup is stored, but it could not be proven." : "The backup was not taken.",
    },
    import: {
      succeeded: proven ? "The dump is imported and proven." : "The dump is imported. It is not proven yet.",
      cancelled: stored
        ? "The proof was cancelled. The import is stored, and not proven."
        : "The import was cancelled. Nothing of it was kept.",
      failed: stored ? "The dump is imported, but it could not be proven." : "The dump was not imported.",
    },
    proof: {
      succeeded: "The backup is proven: it was restored, and every row is as it was stored.",
      cancelled: "The proof was cancelled. The backup is as it was.",
      failed: "The backup could not be proven.",
    },
    restore: {
      succeeded: "The backup is restored.",
      cancelled: "The restore was cancelled.",
      failed: "The restore did not get through.",
    },
  }[work];
  return run.status === "succeeded" || run.status === "cancelled" ? words[run.status] : words.failed;
}

/** What a run that is over has done. */
export function endedHeadline(run: Run, work: Work): string {
  if (work === "backup" || work === "import" || work === "proof" || work === "restore")
    return endedOfBackups(run, work);
  const migrations = migrationsIn(run.steps, work);
  const done = migrations.filter((step) => step.status === "done").length;
  const total = migrations.length;
  const dry = run.kind === "dry_run";
  const all = total === 1 ? "The migration is" : `All ${total} migrations are`;
  const left = `${done} of ${count(total, "migration")} ${done === 1 ? "is" : "are"} in`;
  switch (run.status) {
    case "succeeded":
      if (dry) return "The dry run worked. Nothing has changed.";
      if (work === "migrations" && total > 0) return `${all} in, and the ledger confirms it.`;
      if (work === "seed") return "The seed is in.";
      if (work === "undo") return "The run is taken back.";
      if (work === "swap_back") return "The database from before has its name again.";
      if (work === "roll_back") return "The migrations are rolled back, and the ledger says so.";
      if (work === "app") return "The app answered every request as expected.";
      return "The repair is done, and the ledger confirms it.";
    case "cancelled":
      if (dry) return "The dry run was cancelled. Nothing has changed.";
      if (work === "app") return "The run was cancelled. What the app did already stays.";
      if (work === "swap_back") return "It was cancelled. No name was exchanged.";
      if (work === "roll_back") return "The roll back was cancelled. Everything is as it was.";
      return work === "migrations" || work === "repair"
        ? `The run was cancelled. ${left}.`
        : "The run was cancelled. No row has changed.";
    default:
      if (dry) return "The dry run did not get through. Nothing has changed.";
      if (work === "app") return "The run stopped: the app did not answer as it should.";
      return work === "migrations" ? `The run stopped: ${left}.` : `${subjects[work].whole} did not get through.`;
  }
}
