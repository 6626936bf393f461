import { describe, expect, test } from "vitest";
import type { CellView, ChangedColumn, RowChange, TableChanges } from "./bindings";
import {
  changesAhead,
  changesDone,
  changesIn,
  countWidths,
  foldedWords,
  kindsOf,
  pickColumns,
  shortTable,
} from "./rows";

const column = (name: string, type_name = "text"): ChangedColumn => ({
  name,
  type_name,
  sensitive: false,
  server_filled: false,
});
const table = (part: Partial<TableChanges> = {}): TableChanges => ({
  table: "public.things",
  columns: ["id", "slug", "one", "two", "three"].map((name) => column(name)),
  key: ["slug"],
  inserted: 0,
  updated: 0,
  deleted: 0,
  rewritten: 0,
  unchanged: 0,
  whole: null,
  named: true,
  unknown: null,
  ...part,
});
const cells: CellView[] = Array.from({ length: 5 }, () => ({ kind: "null" }));
const update = (changed: number[]): RowChange => ({ number: 0, kind: "updated", before: cells, after: cells, changed });

describe("row changes in words", () => {
  test("a sentence names only what happened", () => {
    expect(changesDone({ inserted: 17, updated: 4, deleted: 1, same: 9 })).toBe(
      "added 17 rows, changed 4 and deleted 1",
    );
    expect(changesDone({ inserted: 0, updated: 1, deleted: 0, same: 0 })).toBe("changed 1 row");
    expect(changesDone({ inserted: 0, updated: 0, deleted: 0, same: 3 })).toBe("changed no row");
    expect(changesAhead({ inserted: 2000, updated: 0, deleted: 1, same: 0 })).toBe("adds 2,000 rows and deletes 1");
  });
  test("rows written again with the same values are no change", () => {
    expect(changesIn([table({ inserted: 2, rewritten: 50, unchanged: 7 })])).toBe(2);
  });
  test("only the usual schema is left out of a name", () => {
    expect(shortTable("public.users")).toBe("users");
    expect(shortTable("billing.users")).toBe("billing.users");
  });
});

describe("what is asked for", () => {
  test("rows that stay come only when they are unfolded", () => {
    expect(kindsOf("all", false)).toEqual(["inserted", "updated", "deleted"]);
    expect(kindsOf("all", true)).toEqual([]);
    expect(kindsOf("same", false)).toEqual(["rewritten", "unchanged"]);
  });
});

describe("columns", () => {
  test("the key comes first, then what changes, in the table's order, as far as there is room", () => {
    expect(pickColumns(table(), [update([4])], 136 + 160 + 160 + 160)).toEqual([1, 0, 4]);
    expect(pickColumns(table(), [], 136 + 160 + 160)).toEqual([1, 0]);
    expect(pickColumns(table(), [], 10_000)).toEqual([1, 0, 2, 3, 4]);
  });
  test("without a key and without room there is still one column", () => {
    expect(pickColumns(table({ key: [] }), [], 10)).toEqual([0]);
  });
  test("a change in a column that is not shown is said", () => {
    expect(foldedWords(update([3]), [2, 3])).toEqual({ words: "1 changed", changed: true });
    expect(foldedWords(update([0]), [2, 3])).toEqual({ words: "2 same", changed: false });
    expect(foldedWords({ ...update([]), kind: "inserted" }, [2])).toEqual({ words: "1 set", changed: false });
  });
  test("counts get the width of the longest of them", () => {
    expect(countWidths([table({ inserted: 974_335 })]).inserted).toBeGreaterThan(70);
    expect(countWidths([table()]).inserted).toBe(36);
  });
});
