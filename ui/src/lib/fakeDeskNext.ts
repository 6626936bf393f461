/** The headline and the one next step of the fake shell's release desk. In no production bundle. */
import type { DeskNext, DeskStage, Stage } from "./bindings";

type About = {
  /** Name of the environment. */
  name: string;
  /** Number of the plan. */
  planned: number | null;
  /** The backup that is newer than the plan. */
  stored: string | null;
};

const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

export const step = (
  action: DeskNext["action"],
  title: string,
  detail: string,
  button: string,
  subject: string | null = null,
): DeskNext => ({ action, title, detail, button, subject });

export function nextOf({ name, planned, stored }: About, current: DeskStage | null): [string, DeskNext] {
  if (current === null)
    return [
      "The release is through.",
      step(
        "end",
        "End the release.",
        "Everything about it stays on record. The desk is free for the next one.",
        "End the release",
      ),
    ];
  const item = (["running", "block", "unknown", "waiting", "locked"] as const).flatMap((state) =>
    current.items.filter((one) => one.state === state),
  )[0];
  if (item === undefined)
    return ["The release cannot be judged.", step("read_again", "Read everything again.", "Reads only.", "Read again")];
  if (item.state === "running" && item.link?.kind === "run")
    return [
      item.text,
      step("open_run", "Watch the run.", "It goes on while you look elsewhere.", "Open the run", item.link.id),
    ];
  if (item.by_person) {
    if (item.not_before !== null && Date.parse(item.not_before) > Date.now()) {
      const minutes = Math.ceil((Date.parse(item.not_before) - Date.now()) / 60_000);
      return [
        `In ${minutes} min: ${lower(item.title)}.`,
        step(
          "read_again",
          "Its time has not come. You may look elsewhere; the desk stays as it is.",
          "Reads only.",
          "Read again",
          item.id,
        ),
      ];
    }
    return [
      `A person has to say: ${lower(item.title)}.`,
      step("say", `${item.title}: is it so?`, item.text, "Say it is so…", item.id),
    ];
  }
  const words: Record<Stage, string> = {
    prepare: "The place is being looked at.",
    plan: "The place is ready. Make the plan.",
    dry_run: "The plan is ready. Try it.",
    back_up: "It worked in the dry run. Make sure of the way back.",
    apply: "Everything before it is ticked. It can be applied.",
    verify: "It is applied. See whether it did what it was to do.",
    watch: "It is applied and verified. Watch it.",
  };
  const headline = item.state === "waiting" || item.state === "locked" ? words[current.stage] : item.text;
  const [, check] = item.id.split("/");
  switch (check) {
    case "connection":
      return [
        headline,
        step(
          "open_doctor",
          "Find out what is wrong with the connection.",
          "The connection doctor tests it hop by hop. Nothing is written.",
          "Open the connection doctor",
        ),
      ];
    case "writes-open":
      return [
        headline,
        step(
          "lift_freeze",
          "Lift the freeze, if its reason is gone.",
          "Until then Drydock writes nothing. It says who froze, and why.",
          "Lift the freeze…",
        ),
      ];
    case "files-and-ledger":
      return [
        headline,
        step(
          "open_migrations",
          "See what the files and the ledger say.",
          "The Migrations panel names each one and the ways to mend it.",
          "Open the migrations",
        ),
      ];
    case "drift":
    case "drift-after":
      return [
        headline,
        item.state === "unknown"
          ? step(
              "compare_drift",
              "Compare the live schema with what the migrations make.",
              "They are replayed on a scratch copy. The database is only read.",
              "Compare the schema",
            )
          : step(
              "open_drift",
              "See in what the live schema differs.",
              "The Drift panel tells how bad it is, and which migration is behind it.",
              "Open the drift",
            ),
      ];
    case "plan-fits":
    case "findings":
      return [
        headline,
        step(
          "make_plan",
          "Plan the pending migrations.",
          "Files and database are read. Nothing is written.",
          "Make the plan",
        ),
      ];
    case "dry-run":
    case "locks":
      return [
        headline,
        step(
          "dry_run",
          `Try plan ${planned ?? ""} and take it back.`,
          "The dry run executes it on the database and undoes everything. Nothing stays.",
          "Dry run",
        ),
      ];
    case "backup-newer":
    case "backup-covers":
    case "backup-proven": {
      const proved = check === "backup-proven" ? stored : null;
      if (proved !== null && item.state === "unknown")
        return [
          headline,
          step(
            "prove",
            "Prove the backup by restoring it.",
            "It is restored on a scratch copy and compared. The database is not touched.",
            "Prove the backup",
            proved,
          ),
        ];
      return [
        item.state === "block" ? "The backup is older than the plan. Take a new one." : headline,
        step(
          "back_up",
          "Take a new backup and prove it by a restore.",
          "Reads only; the app keeps working. It is restored on a scratch copy and compared.",
          "Back up and prove",
        ),
      ];
    }
    case "applied":
      return [
        headline,
        step(
          "apply",
          `Apply it to ${name}.`,
          "You confirm once more. If anything has moved since the dry run, it stops before writing.",
          `Apply to ${name}…`,
        ),
      ];
    case "checks-after":
      return [
        headline,
        step(
          "verify",
          "Read all checks.",
          "Database, schema and app. Checks that write stay out unless they are chosen on their panel.",
          "Verify",
        ),
      ];
    default:
      return [headline, step("read_again", "Read everything again.", "Reads only.", "Read again")];
  }
}
