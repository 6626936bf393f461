/** The fake shell's commands for seeds, undo and verification; their data is in `fakeSeeds`, `fakeRows`, `fakeChecks`. */
import type { commands as shell, Failure, FailureCode, PlanPurpose, PlanReview, Result, Run, Step } from "./bindings";
import * as checks from "./fakeChecks";
import * as rows from "./fakeRows";
import * as seeds from "./fakeSeeds";
import type { World } from "./fakeWorld";

/** What the fake shell lends to them. */
type Shell = {
  scenario: string;
  /** Milliseconds that work takes. */
  pace: number;
  /** Rows that a run changed, and who took it back. */
  changed: Map<string, rows.FakeChanges>;
  undone: Map<string, number>;
  worldOf: (id: string | null) => World;
  runOf: (id: string) => Run;
  obstacle: (world: World, name: string) => Promise<Result<never, Failure> | null>;
  plan: (world: World, purpose: PlanPurpose, steps: Step[]) => PlanReview;
  sandbox: () => World;
};

type Names =
  | "seedShelf"
  | "seedFolderAdd"
  | "seedFolderRemove"
  | "passwordJudge"
  | "seedPlan"
  | "seedSandbox"
  | "runChanges"
  | "rowChanges"
  | "rowsExport"
  | "undoReview"
  | "undoPlan"
  | "verificationLast"
  | "verify"
  | "checkHistory"
  | "checkExport"
  | "queryRead";

const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));
const ok = <T>(data: T): Result<T, Failure> => ({ status: "ok", data });
const fail = (
  code: FailureCode,
  what: string,
  why: string | null = null,
  unchanged: string | null = null,
  next: string | null = null,
): Result<never, Failure> => ({ status: "error", error: { code, what, why, unchanged, next } });

export function seedCommands({
  scenario,
  pace,
  changed,
  undone,
  worldOf,
  runOf,
  obstacle,
  plan,
  sandbox,
}: Shell): Pick<typeof shell, Names> {
  return {
    async seedShelf(id) {
      const world = worldOf(id);
      if (scenario === "slow") await new Promise(() => undefined);
      if (scenario === "seeds-broken")
        return fail(
          "DRY-1501",
          "The console's own store could not be read.",
          "database disk image is malformed",
          "No database was touched.",
          "Close Drydock and open it again.",
        );
      await wait(5);
      return ok(seeds.shelf(world, scenario));
    },
    async seedFolderAdd(id, folder) {
      seeds.addFolder(worldOf(id), folder);
      return ok(seeds.shelf(worldOf(id), scenario));
    },
    async seedFolderRemove(id, folder) {
      seeds.removeFolder(worldOf(id), folder);
      return ok(seeds.shelf(worldOf(id), scenario));
    },
    passwordJudge: async () => ok({ score: 4, outcome: "pass", words: "Very hard to guess" }),
    async seedPlan(id, profileId, answers) {
      const world = worldOf(id);
      const stopped = await obstacle(world, "seed");
      if (stopped !== null) return stopped;
      const profile = seeds.shelf(world, scenario).profiles.find((one) => one.id === profileId);
      if (profile === undefined) return fail("DRY-1218", "This profile is not there any more.");
      if (scenario === "seed-refused")
        return fail(
          "DRY-1219",
          "Row 3 of `ai_models` is refused by the database.",
          'ERROR 23514: new row violates check constraint "credits_positive".',
          "Nothing was written.",
          "Correct line 41 of `profile.toml`.",
        );
      const purpose = { kind: "seed", profile: profile.id, title: profile.title } as const;
      return ok(plan(world, purpose, seeds.seedSteps(profile, answers)));
    },
    async seedSandbox() {
      await wait(scenario.startsWith("late") ? 1_500 : pace);
      if (scenario === "late-fails")
        return fail("DRY-1602", "The sandbox did not start.", "Its port is taken.", "Nothing was made.", "Try again.");
      return ok(sandbox().environment);
    },
    async runChanges(id) {
      await wait(10);
      const found = changed.get(id);
      if (found === undefined) return ok(null);
      const by = undone.get(id);
      return ok({
        changes: found.changes,
        undo: by !== undefined ? { kind: "undone", number: by } : { kind: "possible" },
      });
    },
    async rowChanges(query) {
      await wait(scenario === "slow" ? 1e8 : 12);
      const found = changed.get(query.run_id);
      return found === undefined
        ? fail("DRY-1503", "The rows of this run are not kept.")
        : ok(rows.pageOf(found, query));
    },
    async rowsExport(id, format) {
      await wait(pace);
      return ok(`/home/ops/Downloads/drydock-${id}-rows.${format}`);
    },
    async undoReview(id) {
      const stopped = await obstacle(worldOf(runOf(id).environment_id), "undo");
      return stopped ?? ok(seeds.undoReview(runOf(id), scenario));
    },
    async undoPlan(id, choices) {
      const run = runOf(id);
      const { untouched } = seeds.undoReview(run, scenario);
      const rows = untouched + choices.filter((choice) => choice.take_back).length;
      const purpose = { kind: "undo", run_id: id, run_number: run.number, run_title: run.title } as const;
      return ok(
        plan(worldOf(run.environment_id), purpose, [
          { kind: "check" },
          { kind: "undo", run_id: id, choices, rows },
          { kind: "verify" },
        ]),
      );
    },
    async verificationLast(id) {
      if (scenario === "slow") await new Promise(() => undefined);
      await wait(5);
      return ok(checks.verification(worldOf(id), scenario, null));
    },
    async verify(id, writing) {
      return (await obstacle(worldOf(id), "verify")) ?? ok(checks.verification(worldOf(id), scenario, writing));
    },
    checkExport: async (_id, check) => ok(`/home/ops/Downloads/drydock-check-${check.name.toLowerCase()}.html`),
    async checkHistory(_id, check) {
      await wait(5);
      return ok(checks.history(check));
    },
    async queryRead(id, sql) {
      const stopped = await obstacle(worldOf(id), "query");
      if (stopped !== null) return stopped;
      const answer = checks.query(sql);
      return "code" in answer ? { status: "error", error: answer } : ok(answer);
    },
  };
}
