import type { AnswerValue, Input, InputKind, Mode, ProfileSummary, SeedAnswers, Tier } from "./bindings";
import { count, whole } from "./format";
import type { Dress } from "./states";

const join = (words: string[]) =>
  words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;

/** What a block does to its table, in plain words. */
export function modeWords(mode: Mode): string {
  switch (mode.kind) {
    case "insert_missing":
      return "adds what is missing, changes nothing";
    case "upsert":
      return "adds what is missing, changes what differs";
    case "top_up":
      return `adds rows until there are ${whole(mode.count)}`;
    case "replace":
      return "adds, changes, and deletes every other row";
  }
}

/** What a profile writes, in a line. */
export function writesLine(profile: ProfileSummary): string {
  switch (profile.writes.kind) {
    case "tables": {
      const rows = profile.writes.blocks.reduce((sum, block) => sum + block.rows, 0);
      return `${count(rows, "row")} in ${count(profile.writes.blocks.length, "table")}`;
    }
    case "sql":
      return `${count(profile.writes.files.length, "script")}; the dry run finds the rows`;
    case "http":
      return `${count(profile.writes.requests.length, "request")}; the app writes, so it cannot be tried`;
    case "unreadable":
      return "It cannot be read until this is mended";
  }
}

export function tiersLine(tiers: Tier[]): string {
  return tiers.length === 3 ? "everywhere" : tiers.length === 0 ? "nowhere" : join(tiers);
}

/** Why a profile can or cannot be chosen here. */
export function profileDress(profile: ProfileSummary): Dress {
  if (profile.problems.length > 0) return { tone: "block", word: "Broken", icon: "octagon-x" };
  if (profile.refused !== null) return { tone: "idle", word: "Not here", icon: "lock" };
  return { tone: "pass", word: "Ready", icon: "circle-check" };
}

export function isReady(profile: ProfileSummary): boolean {
  return profile.problems.length === 0 && profile.refused === null;
}

export function shelfHeadline(profiles: ProfileSummary[]): string {
  const ready = profiles.filter(isReady).length;
  const broken = profiles.filter((profile) => profile.problems.length > 0).length;
  if (profiles.length === 0) return "There is no seed profile yet.";
  const can = ready === 0 ? "No seed can run here." : `${count(ready, "seed")} can run here.`;
  return broken === 0 ? can : `${can} ${broken === 1 ? "1 profile has" : `${broken} profiles have`} mistakes.`;
}

/** What the form holds for an input: a text, a tick, or the handle of a password. */
export type Held = { text: string; ticked: boolean; handle: string | null };

export function heldOf(kind: InputKind): Held {
  const held: Held = { text: "", ticked: false, handle: null };
  if (kind.kind === "boolean") held.ticked = kind.default;
  else if (kind.kind !== "password" && kind.kind !== "file") held.text = kind.default ?? "";
  return held;
}

/** Compares two numbers of any length, written out; `null` where one of them is none. */
export function compareNumbers(one: string, other: string): number | null {
  const parts = (text: string) => /^([+-]?)0*(\d*)(?:\.(\d*?)0*)?$/.exec(text.trim());
  const [first, second] = [parts(one), parts(other)];
  if (first === null || second === null || !isNumber(one) || !isNumber(other)) return null;
  const sign = (match: RegExpExecArray) =>
    (match[2] ?? "") === "" && (match[3] ?? "") === "" ? 0 : match[1] === "-" ? -1 : 1;
  if (sign(first) !== sign(second)) return Math.sign(sign(first) - sign(second));
  const [whole1, whole2] = [first[2] ?? "", second[2] ?? ""];
  const size =
    whole1.length - whole2.length ||
    (whole1 < whole2 ? -1 : whole1 > whole2 ? 1 : 0) ||
    ((first[3] ?? "") < (second[3] ?? "") ? -1 : (first[3] ?? "") > (second[3] ?? "") ? 1 : 0);
  return Math.sign(size) * (sign(first) === -1 ? -1 : 1) || 0;
}

export function isNumber(text: string): boolean {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(text.trim());
}

/** What is wrong with an answer, as a sentence; nothing: null. The engine looks again. */
export function mistake(input: Input, held: Held): string | null {
  const { kind } = input;
  if (kind.kind === "boolean") return null;
  if (kind.kind === "password") return held.handle === null && !input.optional ? "Type a password, twice." : null;
  const text = kind.kind === "text" ? held.text : held.text.trim();
  if (text === "") return input.optional ? null : "This is needed.";
  switch (kind.kind) {
    case "text": {
      const length = [...text].length;
      if (kind.shortest !== null && length < kind.shortest) return `At least ${count(kind.shortest, "character")}.`;
      if (kind.longest !== null && length > kind.longest) return `At most ${count(kind.longest, "character")}.`;
      return null;
    }
    case "email":
      return /^[^\s@]+@[^\s@]+\.[^\s@.]+$/.test(text) ? null : "This is not an e-mail address.";
    case "number":
      if (!isNumber(text)) return "Type a number, with a point for decimals.";
      if (kind.min !== null && (compareNumbers(text, kind.min) ?? 0) < 0) return `At least ${kind.min}.`;
      if (kind.max !== null && (compareNumbers(text, kind.max) ?? 0) > 0) return `At most ${kind.max}.`;
      return null;
    case "file":
      return /\.(csv|json|ndjson)$/i.test(text) ? null : "Choose a file that ends in .csv, .json or .ndjson.";
    case "choice":
      return kind.choices.includes(text) ? null : "Choose one of these.";
  }
}

/** A scale is a whole number from 1 to the profile's largest. */
export function scaleMistake(text: string, max: number): string | null {
  if (!/^\d+$/.test(text.trim())) return "Type a whole number.";
  const number = Number(text);
  return number < 1 ? "At least 1." : number > max ? `At most ${whole(max)}.` : null;
}

function answer(input: Input, held: Held): AnswerValue {
  if (input.kind.kind === "boolean") return { kind: "text", text: held.ticked ? "true" : "false" };
  if (input.kind.kind === "password")
    return held.handle === null ? { kind: "empty" } : { kind: "secret", handle: held.handle };
  const text = input.kind.kind === "text" ? held.text : held.text.trim();
  return text === "" ? { kind: "empty" } : { kind: "text", text };
}

export function answersOf(profile: ProfileSummary, held: Record<string, Held>, scale: string): SeedAnswers {
  return {
    answers: profile.inputs.map((input) => ({
      name: input.name,
      value: answer(input, held[input.name] ?? heldOf(input.kind)),
    })),
    scale: profile.scale === null ? null : Number(scale),
  };
}
