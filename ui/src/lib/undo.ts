import type { ConflictReason, UndoChoice, UndoConflict, UndoReview } from "./bindings";
import { count, whole } from "./format";

export const reasons: ConflictReason[] = ["changed_since", "gone_since", "taken_since", "used_by_newer"];

const rows = (amount: number, one: string, many: string) =>
  amount === 1 ? `1 row ${one}` : `${whole(amount)} rows ${many}`;

/** What a group of conflicts has in common. */
export function reasonTitle(reason: ConflictReason, amount: number): string {
  switch (reason) {
    case "changed_since":
      return `${rows(amount, "was", "were")} changed since.`;
    case "gone_since":
      return `${rows(amount, "was", "were")} deleted since.`;
    case "taken_since":
      return `${rows(amount, "has its key", "have their keys")} in use again.`;
    case "used_by_newer":
      return `${rows(amount, "is", "are")} used by newer rows.`;
  }
}

export function reasonMeans(reason: ConflictReason, possible: boolean): string {
  if (!possible) return reason === "gone_since" ? "There is nothing left to take back." : "It stays as it is now.";
  switch (reason) {
    case "changed_since":
    case "used_by_newer":
      return "Each stays as it is now, unless you say otherwise.";
    case "gone_since":
      return "Each stays away, unless you say otherwise.";
    case "taken_since":
      return "Somebody made a row with the same key. It stays, unless you say otherwise.";
  }
}

/** The answer: what can be taken back as it is, and what has moved. */
export function undoHeadline(review: UndoReview): string {
  if (review.impossible !== null) return `Run ${review.run_number} cannot be taken back.`;
  if (review.changes === 0) return `Run ${review.run_number} changed no row.`;
  if (review.conflicts_total === 0)
    return review.changes === 1
      ? "The row change can be taken back."
      : `All ${whole(review.changes)} row changes can be taken back.`;
  const first = `${whole(review.untouched)} of ${count(review.changes, "row change")} can be taken back.`;
  const groups = reasons
    .map((reason) => ({ reason, amount: review.conflicts.filter((conflict) => conflict.reason === reason).length }))
    .filter(({ amount }) => amount > 0);
  const only = groups.length === 1 ? groups[0] : undefined;
  return `${first} ${
    only === undefined
      ? `${rows(review.conflicts_total, "needs", "need")} your answer.`
      : reasonTitle(only.reason, review.conflicts_total)
  }`;
}

/** Rows as they were answered; what nobody answered stays as it is now. */
export function choicesOf(conflicts: UndoConflict[], taken: ReadonlySet<string>): UndoChoice[] {
  return conflicts.map(({ row, impossible }) => ({ row, take_back: impossible === null && taken.has(row) }));
}

export type Tally = { takenBack: number; kept: number; newer: number };

/** What happens in numbers if it goes on like this. */
export function tallyOf(review: UndoReview, taken: ReadonlySet<string>): Tally {
  const back = review.conflicts.filter(({ row, impossible }) => impossible === null && taken.has(row));
  return {
    takenBack: review.untouched + back.length,
    kept: review.conflicts_total - back.length,
    newer: back.flatMap((conflict) => conflict.used_by).reduce((sum, used) => sum + used.rows, 0),
  };
}
