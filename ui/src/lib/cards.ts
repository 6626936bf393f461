import type { BackupShelf, Card, Desk, SeedShelf, Verification } from "./bindings";
import { count } from "./format";
import { isReady } from "./seeds";

/** A card that the window puts together itself, from what the panel has read. */
export type OwnCard = Omit<Card, "instrument">;

/** Profiles are files: how many can run here, and what is wrong with the others. */
export function seedsCard(shelf: SeedShelf, readAt: string): OwnCard {
  const ready = shelf.profiles.filter(isReady).length;
  const broken = shelf.profiles.filter((profile) => profile.problems.length > 0).length;
  const unreadable = shelf.unreadable.length;
  const newest = shelf.profiles
    .flatMap((profile) => (profile.last === null ? [] : [{ profile, last: profile.last }]))
    .sort((one, other) => other.last.number - one.last.number)[0];
  return {
    outcome: unreadable > 0 ? "unknown" : broken > 0 ? "warn" : shelf.profiles.length === 0 ? null : "pass",
    figure: shelf.profiles.length === 0 ? null : String(ready),
    unit: shelf.profiles.length === 0 ? "no profile" : ready === 1 ? "seed can run" : "seeds can run",
    detail:
      shelf.profiles.length === 0
        ? "Add the folder that holds your profiles."
        : unreadable > 0
          ? `${count(unreadable, "folder")} could not be read.`
          : broken > 0
            ? `${broken === 1 ? "1 profile has" : `${broken} profiles have`} mistakes.`
            : newest === undefined
              ? "None was applied here from this console."
              : `Last: ${newest.profile.title}, run ${newest.last.number}.`,
    read_at: shelf.profiles.length === 0 ? null : readAt,
    running: null,
  };
}

/** What could be gone back to; only a proven backup is one. */
export function backupsCard(shelf: BackupShelf): OwnCard {
  const kept = shelf.backups.filter((backup) => backup.state === "complete");
  const proven = kept.filter((backup) => backup.proof === "proven" && backup.has_key).length;
  return {
    outcome: kept.length === 0 ? null : shelf.outcome,
    figure: kept.length === 0 ? null : String(proven),
    unit: kept.length === 0 ? "no backup" : `of ${kept.length} proven`,
    detail: shelf.headline,
    read_at: kept.length === 0 ? null : shelf.read_at,
    running: null,
  };
}

/** How far a release is; without one nothing is to be ticked. */
export function checklistCard(desk: Desk): OwnCard {
  const items = desk.stages.flatMap((stage) => stage.items);
  const ticked = desk.stages.reduce((sum, stage) => sum + stage.ticked, 0);
  const state = desk.stages.find((stage) => stage.stage === desk.current)?.state;
  return {
    outcome:
      desk.release === null
        ? null
        : desk.current === null
          ? "pass"
          : state === "block" || state === "unknown"
            ? state
            : "warn",
    figure: desk.release === null ? null : String(ticked),
    unit: desk.release === null ? "no release" : `of ${items.length} ticked`,
    detail: desk.headline,
    read_at: desk.release === null ? null : desk.read_at,
    running: state === "running" ? "running" : null,
  };
}

/** What was read last; a database nobody verified is not known to be well. */
export function verificationCard(verification: Verification): OwnCard {
  const { checks } = verification;
  const hold = checks.filter((check) => check.outcome === "pass").length;
  const fail = checks.filter((check) => check.outcome === "block").length;
  const unread = checks.filter((check) => check.outcome === "unknown").length;
  if (verification.at === null || checks.length === 0)
    return {
      outcome: null,
      figure: null,
      unit: verification.at === null ? "not verified yet" : "no check",
      detail:
        verification.at === null
          ? "Verify reads the expectations of the seed profiles."
          : "Expectations of the seed profiles become checks.",
      read_at: null,
      running: null,
    };
  return {
    outcome: verification.outcome,
    figure: String(fail > 0 ? fail : hold),
    unit: fail === 0 ? `of ${checks.length} hold` : fail === 1 ? "check fails" : "checks fail",
    detail:
      unread > 0
        ? `${hold} of ${checks.length} hold; ${unread} could not be read.`
        : fail > 0
          ? `${hold} of ${checks.length} hold.`
          : "Every check holds.",
    read_at: verification.at,
    running: null,
  };
}
