import { describe, expect, test } from "vitest";
import type { UndoConflict, UndoReview } from "./bindings";
import { choicesOf, tallyOf, undoHeadline } from "./undo";

const conflict = (row: string, part: Partial<UndoConflict> = {}): UndoConflict => ({
  row,
  table: "public.things",
  key: `slug ${row}`,
  kind: "updated",
  reason: "changed_since",
  columns: [],
  used_by: [],
  impossible: null,
  ...part,
});
const review = (conflicts: UndoConflict[], part: Partial<UndoReview> = {}): UndoReview => ({
  run_id: "run-152",
  run_number: 152,
  run_title: "Seed Avatar models",
  run_at: "2026-11-21T14:55:00Z",
  at: "2026-11-21T15:12:00Z",
  impossible: null,
  changes: 21,
  untouched: 21 - conflicts.length,
  conflicts,
  conflicts_total: conflicts.length,
  refused: [],
  ...part,
});

describe("undo in words", () => {
  test("the headline says what can be taken back and what moved", () => {
    expect(undoHeadline(review([]))).toBe("All 21 row changes can be taken back.");
    expect(undoHeadline(review([conflict("a"), conflict("b")]))).toBe(
      "19 of 21 row changes can be taken back. 2 rows were changed since.",
    );
    expect(undoHeadline(review([conflict("a"), conflict("b", { reason: "gone_since" })]))).toBe(
      "19 of 21 row changes can be taken back. 2 rows need your answer.",
    );
    expect(undoHeadline(review([], { impossible: "why" }))).toBe("Run 152 cannot be taken back.");
  });
});

describe("choices", () => {
  test("what nobody answered stays as it is now", () => {
    expect(choicesOf([conflict("a"), conflict("b")], new Set(["b"]))).toEqual([
      { row: "a", take_back: false },
      { row: "b", take_back: true },
    ]);
  });
  test("what cannot be taken back is never asked to be", () => {
    expect(choicesOf([conflict("a", { impossible: "gone" })], new Set(["a"]))).toEqual([
      { row: "a", take_back: false },
    ]);
  });
  test("the tally follows the choices", () => {
    const used = conflict("c", {
      reason: "used_by_newer",
      used_by: [{ table: "public.x", rows: 5, effect: "They stay." }],
    });
    const shown = review([conflict("a"), used]);
    expect(tallyOf(shown, new Set())).toEqual({ takenBack: 19, kept: 2, newer: 0 });
    expect(tallyOf(shown, new Set(["c"]))).toEqual({ takenBack: 20, kept: 1, newer: 5 });
  });
});
