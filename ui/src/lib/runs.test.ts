import { describe, expect, test } from "vitest";
import type { RunStep } from "./bindings";
import { endedHeadline, liveHeadline, migrationsIn, staysWhenCancelled, workOf } from "./runs";

const step = (verb: string, title = "", status: RunStep["status"] = "done"): RunStep => ({
  index: 0,
  verb,
  title,
  status,
  seconds: null,
  note: null,
});

describe("what a run is about", () => {
  test("its plan says so, whatever its steps are called", () => {
    expect(workOf([step("Dry run", "Feature flags")], "seed")).toBe("seed");
    expect(workOf([step("Dry run", "x")], "apply_pending")).toBe("migrations");
    expect(workOf([step("Resolve")], "mark_applied")).toBe("repair");
    expect(workOf([step("Check"), step("Roll back")], "roll_back")).toBe("roll_back");
    expect(workOf([step("Back up"), step("Restore")], "restore")).toBe("restore");
  });
  test("without its plan, the steps tell as far as they can", () => {
    expect(workOf([step("Seed", "Feature flags")], null)).toBe("seed");
    expect(workOf([step("Dry run", "undo of run 152")], null)).toBe("undo");
    expect(workOf([step("Dry run", "20260610101500_avatars")], null)).toBe("migrations");
    expect(workOf([step("Dry run", "Feature flags")], null)).toBe("plan");
    expect(workOf([step("Check"), step("Back up"), step("Prove")], null)).toBe("backup");
    expect(workOf([step("Check"), step("Prove")], null)).toBe("proof");
    expect(workOf([step("Check"), step("Roll back")], null)).toBe("roll_back");
    expect(workOf([step("Back up"), step("Restore")], null), "it backs up first").toBe("restore");
    expect(workOf([step("Back up"), step("Migrate")], null)).toBe("migrations");
  });
});

describe("headlines", () => {
  test("a dry run of migrations counts them", () => {
    const steps = [step("Dry run", "20260610101500_a"), step("Dry run", "20260610101501_b")];
    expect(migrationsIn(steps, "migrations")).toHaveLength(2);
    expect(liveHeadline(true, steps, false, "migrations")).toBe("Trying 2 migrations. All of it will be taken back.");
  });
  test("a cancelled backup stays once all of it is stored", () => {
    const steps = (status: RunStep["status"]) => [
      step("Check"),
      step("Back up", "", status),
      step("Prove", "", "started"),
    ];
    expect(staysWhenCancelled(false, steps("started"), "backup")).toContain("Nothing of the backup is kept");
    expect(staysWhenCancelled(false, steps("done"), "backup")).toContain("stored and stays");
  });
  test("a seed that was cancelled changed no row", () => {
    const run = {
      id: "",
      number: 1,
      plan_id: "",
      kind: "apply" as const,
      environment_id: null,
      environment_name: "",
      title: "",
      status: "cancelled" as const,
      started_at: "",
      ended_at: null,
      steps: [step("Seed", "x", "taken_back")],
      failure: null,
      aftermath: [],
      confirmation: null,
    };
    expect(endedHeadline(run, "seed")).toBe("The run was cancelled. No row has changed.");
    expect(endedHeadline({ ...run, status: "failed" }, "undo")).toBe("The undo did not get through.");
    const stored = { ...run, kind: "back_up" as const, steps: [step("Back up"), step("Prove", "", "failed")] };
    expect(endedHeadline({ ...stored, status: "failed" }, "backup")).toBe(
      "The backup is stored, but it could not be proven.",
    );
    expect(endedHeadline(run, "backup")).toBe("The backup was cancelled. Nothing of it was kept.");
  });
});
