import { expect, test } from "vitest";
import { closedGates, overrideGates } from "./plans";
import type { Gate, PlanReview } from "./bindings";
import { classify, Failed, troubleOf } from "./failures";
import { endedStepDress, environmentDress, outcomeDress, strongest } from "./states";

test("what was not read is unknown, never a pass", () => {
  expect(outcomeDress(null).tone).toBe("unknown");
  expect(environmentDress(null).tone).toBe("unknown");
  expect(strongest([])).toBe("unknown");
  expect(strongest(["pass", "unknown", "warn"])).toBe("unknown");
  expect(strongest(["pass", "unknown", "block"])).toBe("block");
  expect(strongest(["pass", "pass"])).toBe("pass");
});

test("a step that only began has an unknown outcome once the run is over", () => {
  expect(endedStepDress("started").tone).toBe("unknown");
  expect(endedStepDress("waiting").tone).toBe("unknown");
  expect(endedStepDress("done").tone).toBe("pass");
});

test("an unknown gate is closed unless a typed reason may pass it", () => {
  const gate = (outcome: Gate["outcome"], can_override: boolean): Gate => ({
    kind: "restore_point",
    title: "",
    outcome,
    evidence: "",
    can_override,
  });
  const review = { gates: [gate("pass", false), gate("unknown", false), gate("unknown", true), gate("warn", false)] };
  expect(closedGates(review as PlanReview)).toHaveLength(1);
  expect(overrideGates(review as PlanReview)).toHaveLength(1);
});

test("every failure has a severity and one next button; strange ones too", () => {
  expect(classify("DRY-1202")).toEqual({ tone: "warn", action: "new_plan" });
  expect(classify("DRY-1801")).toEqual({ tone: "block", action: "again" });
  expect(troubleOf(new Error("no bridge")).code).toBe("DRY-0001");
  const failure = { code: "DRY-1402" as const, what: "x", why: null, unchanged: null, next: null };
  expect(troubleOf(new Failed(failure))).toBe(failure);
});
