import { describe, expect, test } from "vitest";
import { rowFor } from "./keys";
import { barFor, drawn, farthest, LIMIT, moved, reveal, spanOf, type Sight } from "./virtual";

const short: Sight = { total: 1_000, row: 36, height: 360 };
const long: Sight = { total: 1_000_000, row: 36, height: 360 };

describe("a list that fits", () => {
  test("the bar is the place", () => {
    expect(spanOf(short)).toBe(36_000);
    expect(moved(short, { scroll: 0, top: 0 }, 500)).toEqual({ scroll: 500, top: 500 });
    expect(barFor(short, 500)).toBe(500);
  });
  test("only what is in sight is drawn, and some around it", () => {
    expect(drawn(short, 3_600, 8)).toEqual({ from: 92, to: 118 });
    expect(drawn(short, 0, 8)).toEqual({ from: 0, to: 18 });
    expect(drawn({ ...short, total: 3 }, 0, 8)).toEqual({ from: 0, to: 3 });
  });
});

describe("a list longer than an element may be", () => {
  test("its element stays within the limit", () => expect(spanOf(long)).toBe(LIMIT));
  test("a small move of the bar moves the rows by as much", () => {
    const before = { scroll: 4_000_000, top: 18_000_000 };
    expect(moved(long, before, 4_000_100)).toEqual({ scroll: 4_000_100, top: 18_000_100 });
  });
  test("a big move names a place in the whole, the last row included", () => {
    expect(moved(long, { scroll: 0, top: 0 }, LIMIT - 360).top).toBeCloseTo(farthest(long));
    expect(moved(long, { scroll: 500, top: 2_000 }, 0).top).toBe(0);
  });
  test("the bar rests where the place is, so that both ends can be reached", () => {
    expect(barFor(long, 0)).toBe(0);
    expect(barFor(long, farthest(long))).toBeCloseTo(LIMIT - 360);
    expect(barFor(long, 600)).toBeGreaterThan(0);
  });
  test("nothing scrolls beyond the ends", () => {
    expect(moved(long, { scroll: 100, top: 20 }, 0).top).toBe(0);
    expect(moved(long, { scroll: 100, top: farthest(long) }, 200).top).toBe(farthest(long));
  });
});

describe("keys", () => {
  test("a row is brought into sight by as little as needed", () => {
    expect(reveal(short, 0, 5)).toBe(0);
    expect(reveal(short, 0, 10)).toBe(36);
    expect(reveal(short, 3_600, 99)).toBe(3_564);
  });
  test("arrows, pages and ends stay within the list", () => {
    expect(rowFor("ArrowDown", 999, 1_000, 9)).toBe(999);
    expect(rowFor("PageUp", 4, 1_000, 9)).toBe(0);
    expect(rowFor("End", 0, 1_000_000, 9)).toBe(999_999);
    expect(rowFor("x", 4, 1_000, 9)).toBeNull();
    expect(rowFor("Home", 4, 0, 9)).toBeNull();
  });
});
