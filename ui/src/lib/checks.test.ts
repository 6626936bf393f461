import { describe, expect, test } from "vitest";
import type { CheckReading, CheckResult, Outcome } from "./bindings";
import { byPart, chartOf, checkVerdict, isLeftOut, shortAge, since, verdict, worst, writesWords } from "./checks";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const at = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();
const reading = (minutes: number, now: string | null, outcome: Outcome = "pass"): CheckReading => ({
  at: at(minutes),
  now,
  outcome,
  run: null,
});
const check = (id: string, outcome: Outcome, part: CheckResult["part"] = "database"): CheckResult => ({
  id,
  suite: "",
  part,
  name: id,
  now: "0",
  expected: "0",
  before: null,
  outcome,
  why: null,
  at: at(0),
  seconds: 0,
  sql: null,
  rows: null,
});

describe("verdicts", () => {
  test("what held long ago is stale; what failed long ago still failed", () => {
    expect(verdict("pass", at(1), NOW).word).toBe("Pass");
    expect(verdict("pass", at(61), NOW).word).toBe("Stale");
    expect(verdict("block", at(61), NOW).word).toBe("Failed");
    expect(verdict("unknown", at(61), NOW).word).toBe("Unknown");
  });
  test("what fails is opened before what is not known, and that before what warns", () => {
    expect(worst([check("a", "warn"), check("b", "unknown"), check("c", "block")])?.id).toBe("c");
    expect(worst([check("a", "warn"), check("b", "unknown")])?.id).toBe("b");
    expect(worst([check("a", "pass")])).toBeNull();
  });
  test("parts keep their order and count what holds", () => {
    const groups = byPart([
      check("f", "block", "functional"),
      check("p", "pass", "page"),
      check("s", "pass", "schema"),
      check("a", "pass"),
      check("b", "unknown"),
      check("i", "pass", "api"),
    ]);
    expect(groups.map((group) => [group.part, group.hold, group.checks.length])).toEqual([
      ["database", 1, 2],
      ["schema", 1, 1],
      ["api", 1, 1],
      ["page", 1, 1],
      ["functional", 0, 1],
    ]);
  });
  test("a check that writes and was left out was not run; one that could not be read was", () => {
    const writes = { account: "qa@example.com", leaves: null };
    const left = { ...check("a", "unknown", "api"), writes };
    expect(isLeftOut(left)).toBe(true);
    expect(checkVerdict(left, NOW)).toMatchObject({ tone: "unknown", word: "Not run" });
    const tried = { ...left, seconds: 0.01 };
    expect(isLeftOut(tried)).toBe(false);
    expect(checkVerdict(tried, NOW).word).toBe("Unknown");
    expect(isLeftOut({ ...left, writes: null })).toBe(false);
  });
  test("what becomes of what a check writes is said", () => {
    expect(writesWords({ account: "qa", leaves: null })).toBe("It writes as qa; its last requests take that back.");
    expect(writesWords({ account: "qa", leaves: "an order." })).toBe("It writes as qa and leaves behind: an order.");
  });
  test("ages are short", () => {
    expect([shortAge(at(0), NOW), shortAge(at(5), NOW), shortAge(at(125), NOW), shortAge(at(3000), NOW)]).toEqual([
      "0 s",
      "5 min",
      "2 h",
      "2 d",
    ]);
  });
});

describe("the history", () => {
  test("time goes to the right, value upwards", () => {
    const { points, numeric } = chartOf([reading(10, "0"), reading(5, "2"), reading(0, "4")], {
      width: 100,
      height: 40,
    });
    expect(numeric).toBe(true);
    expect(points.map(({ x, y }) => [x, y])).toEqual([
      [0, 40],
      [50, 20],
      [100, 0],
    ]);
  });
  test("texts have no height, and a value nobody could read has none either", () => {
    expect(chartOf([reading(1, "numeric(12,2)"), reading(0, "x")], { width: 100, height: 40 }).numeric).toBe(false);
    expect(chartOf([reading(1, "4"), reading(0, null, "unknown")], { width: 100, height: 40 }).points[1]?.y).toBe(40);
  });
  test("since when is the beginning of the last unbroken verdict", () => {
    const readings = [reading(9, "1", "block"), reading(6, "0"), reading(3, "1", "block"), reading(0, "2", "block")];
    expect(since(readings)?.at).toBe(at(3));
    expect(since([])).toBeNull();
  });
});
