import { describe, expect, test } from "vitest";
import {
  ago,
  bytes,
  clockSpan,
  count,
  digestWords,
  lockMode,
  milliseconds,
  serverVersion,
  shortIdentifier,
  span,
} from "./format";

describe("numbers as an operator reads them", () => {
  test("one is one, more are many", () => {
    expect(count(1, "migration")).toBe("1 migration");
    expect(count(1204, "index", "indexes")).toBe("1,204 indexes");
  });

  test("time spans", () => {
    expect([0.0004, 0.024, 0.24, 1.44, 31, 60, 250, 3600, 7500].map(span)).toEqual([
      "1 ms",
      "24 ms",
      "0.24 s",
      "1.4 s",
      "31 s",
      "1 min",
      "4 min 10 s",
      "1 h",
      "2 h 5 min",
    ]);
    expect(milliseconds(6.23)).toBe("6.2 ms");
    expect(milliseconds(1500)).toBe("1.5 s");
    expect([31, 725, 3723].map(clockSpan)).toEqual(["0:31", "12:05", "1:02:03"]);
  });

  test("ages", () => {
    const now = Date.parse("2026-06-14T12:00:00Z");
    expect(ago("2026-06-14T11:59:48Z", now)).toBe("12 s ago");
    expect(ago("2026-06-14T11:57:00Z", now)).toBe("3 min ago");
    expect(ago("2026-06-13T12:00:00Z", now)).toBe("24 h ago");
    expect(ago("2026-06-14T12:00:09Z", now), "a clock that is ahead reads as now").toBe("now");
    expect(ago("never", now)).toBe("at an unknown time");
  });

  test("sizes, digests, versions, identifiers, modes", () => {
    expect(bytes(999)).toBe("999 bytes");
    expect(bytes(4_100_000)).toBe("4.1 MB");
    expect(digestWords("7f3c91a2e04b5d18ffff")).toBe("7f3c 91a2 e04b 5d18");
    expect(serverVersion(150_018)).toBe("PostgreSQL 15.18");
    expect(shortIdentifier("7391082441504420f", 1)).toBe("7391…420f");
    expect(shortIdentifier(null, 16_402)).toBe("oid 16402");
    expect(lockMode("ShareRowExclusiveLock")).toBe("SHARE ROW EXCLUSIVE");
  });
});
