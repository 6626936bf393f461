import { describe, expect, test } from "vitest";
import { pieces, valuePieces, visible, visibleLine } from "./text";

describe("server text is data", () => {
  test("marks that hide or reorder are shown by name", () => {
    expect(visible("safe\u202etxt.exe")).toBe("safe⟨RLO⟩txt.exe");
    expect(visible("\u001b[31mred\u0000")).toBe("⟨ESC⟩[31mred⟨NUL⟩");
    expect(visible("zero\u200bwidth")).toBe("zero⟨ZWSP⟩width");
    expect(visible("\u0085")).toBe("⟨U+0085⟩");
  });

  test("ordinary text of any script stays as it is", () => {
    for (const text of ["Größe", "数据库", "שלום", "a\nb\tc", "café ✓"]) expect(visible(text)).toBe(text);
  });

  test("one line stays one line", () => {
    expect(visibleLine("first\r\nsecond\tthird")).toBe("first↵second third");
  });

  test("identifiers stand between back-ticks", () => {
    expect(pieces("`users` has no `scope`")).toEqual([
      { text: "users", code: true },
      { text: " has no ", code: false },
      { text: "scope", code: true },
    ]);
  });
});

describe("a value in one line", () => {
  test("breaks, tabs and blanks that matter are marks; a gap between words is none", () => {
    expect(valuePieces("a b").map((piece) => piece.mark)).toEqual([false]);
    expect(valuePieces("  a\tb\nc ")).toEqual([
      { text: "··", mark: true },
      { text: "a", mark: false },
      { text: "⇥", mark: true },
      { text: "b", mark: false },
      { text: "↵", mark: true },
      { text: "c", mark: false },
      { text: "·", mark: true },
    ]);
    expect(valuePieces("a\u00a0b")[1]).toEqual({ text: "⟨U+00A0⟩", mark: true });
  });
  test("what would hide or reorder text is shown", () => {
    expect(
      valuePieces("\u202eevil\u001b[0m")
        .map((piece) => piece.text)
        .join(""),
    ).toBe("⟨RLO⟩evil⟨ESC⟩[0m");
  });
});
