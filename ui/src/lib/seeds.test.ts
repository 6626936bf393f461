import { describe, expect, test } from "vitest";
import type { Input, InputKind, ProfileSummary } from "./bindings";
import { seedsCard, verificationCard } from "./cards";
import {
  answersOf,
  compareNumbers,
  heldOf,
  mistake,
  modeWords,
  profileDress,
  scaleMistake,
  shelfHeadline,
  tiersLine,
} from "./seeds";

const input = (kind: InputKind, part: Partial<Input> = {}): Input => ({
  name: "answer",
  label: "Answer",
  help: null,
  optional: false,
  kind,
  at: { file: "profile.toml", line: 1 },
  ...part,
});
const said = (text: string) => ({ text, ticked: false, handle: null });
const profile = (part: Partial<ProfileSummary> = {}): ProfileSummary => ({
  id: "x",
  title: "X",
  description: "",
  bundled: false,
  tiers: ["development"],
  inputs: [],
  scale: null,
  writes: { kind: "tables", blocks: [] },
  expectations: 0,
  problems: [],
  refused: null,
  last: null,
  ...part,
});
const broken = { problems: [{ at: { file: "profile.toml", line: 3 }, what: "wrong", next: "mend" }] };

describe("answers", () => {
  test("numbers are compared as they are written, digit by digit", () => {
    expect(compareNumbers("99999999999999999999.1", "99999999999999999999.09")).toBe(1);
    expect(compareNumbers("-2", "-10")).toBe(1);
    expect(compareNumbers("1.10", "1.1")).toBe(0);
    expect(compareNumbers("-0", "0.00")).toBe(0);
    expect(compareNumbers("-1", "1")).toBe(-1);
    expect(compareNumbers("1e3", "1")).toBeNull();
  });
  test("a mistake says what is asked for", () => {
    const number = input({ kind: "number", default: null, min: "1", max: "100" });
    expect(mistake(number, said("100"))).toBeNull();
    expect(mistake(number, said("100.01"))).toBe("At most 100.");
    expect(mistake(number, said("0"))).toBe("At least 1.");
    expect(mistake(number, said("1,5"))).toMatch(/point/);
    expect(mistake(input({ kind: "email", default: null }), said("ada@example"))).toMatch(/e-mail/);
    expect(mistake(input({ kind: "email", default: null }), said(" ada@example.com "))).toBeNull();
    expect(mistake(input({ kind: "text", default: null, shortest: 3, longest: null }), said("ab"))).toBe(
      "At least 3 characters.",
    );
  });
  test("what may stay empty may stay empty, and is empty then, not an empty text", () => {
    const optional = input({ kind: "text", default: null, shortest: 3, longest: null }, { optional: true });
    expect(mistake(optional, said(""))).toBeNull();
    expect(answersOf(profile({ inputs: [optional] }), { answer: said("") }, "1").answers[0]?.value).toEqual({
      kind: "empty",
    });
  });
  test("blanks of a text are kept, those around a number are not", () => {
    const text = input({ kind: "text", default: null, shortest: null, longest: null });
    const number = input({ kind: "number", default: null, min: null, max: null });
    expect(answersOf(profile({ inputs: [text] }), { answer: said(" a ") }, "1").answers[0]?.value).toEqual({
      kind: "text",
      text: " a ",
    });
    expect(answersOf(profile({ inputs: [number] }), { answer: said(" 1.10 ") }, "1").answers[0]?.value).toEqual({
      kind: "text",
      text: "1.10",
    });
  });
  test("a password goes as its handle only", () => {
    const password = input({ kind: "password", hash: { memory_kib: 1, passes: 1, lanes: 1 } });
    expect(mistake(password, said(""))).toMatch(/twice/);
    const held = { ...heldOf(password.kind), handle: "pending-7" };
    expect(answersOf(profile({ inputs: [password] }), { answer: held }, "1").answers[0]?.value).toEqual({
      kind: "secret",
      handle: "pending-7",
    });
  });
  test("a scale is a whole number within its range", () => {
    expect(scaleMistake("1000", 1000)).toBeNull();
    expect(scaleMistake("1001", 1000)).toBe("At most 1,000.");
    expect(scaleMistake("1.5", 1000)).toMatch(/whole/);
  });
});

describe("profiles", () => {
  test("what cannot run is never shown as ready", () => {
    expect(profileDress(profile(broken)).tone).toBe("block");
    expect(profileDress(profile({ refused: "not here" })).tone).toBe("idle");
    expect(profileDress(profile()).tone).toBe("pass");
  });
  test("the headline counts what can run and what is wrong", () => {
    expect(shelfHeadline([])).toBe("There is no seed profile yet.");
    expect(shelfHeadline([profile(), profile(broken)])).toBe("1 seed can run here. 1 profile has mistakes.");
    expect(shelfHeadline([profile({ refused: "no" })])).toBe("No seed can run here.");
  });
  test("a mode that deletes says so", () => {
    expect(modeWords({ kind: "replace" })).toMatch(/deletes/);
    expect(tiersLine(["development", "staging"])).toBe("development and staging");
  });
});

describe("cards", () => {
  test("no profile and no check are unread, not well", () => {
    expect(seedsCard({ profiles: [], folders: [], unreadable: [] }, "now").outcome).toBeNull();
    const none = { headline: "", lead: "", checks: [], at: "2026-11-21T00:00:00Z", run: null, unreadable: [] };
    expect(verificationCard({ ...none, outcome: "unknown" }).outcome).toBeNull();
    expect(verificationCard({ ...none, outcome: "pass", at: null }).figure).toBeNull();
  });
  test("a folder that cannot be read is unknown", () => {
    expect(seedsCard({ profiles: [profile()], folders: ["/x"], unreadable: ["/x: gone"] }, "now").outcome).toBe(
      "unknown",
    );
  });
});
