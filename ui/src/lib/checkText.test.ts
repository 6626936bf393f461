import { describe, expect, test } from "vitest";
import { credentialBlock, declaredIn, lineCount, lineStart, unixLines, withBlock, withLineEnds } from "./checkText";

describe("a text of checks", () => {
  test("a line begins where it begins, and the end stands for what is not there", () => {
    const text = "one\ntwo\nthree";
    expect([1, 2, 3, 9].map((line) => lineStart(text, line))).toEqual([0, 4, 8, 13]);
    expect([lineCount(""), lineCount(text), lineCount("a\n")]).toEqual([1, 3, 2]);
  });
  test("a block comes last, with one empty line before it", () => {
    expect(withBlock('title = "T"\n\n\n', "[[expect]]\nname = 1\n\n")).toBe('title = "T"\n\n[[expect]]\nname = 1\n');
    expect(withBlock("  \n", "[[expect]]")).toBe("[[expect]]\n");
  });
  test("only names of credentials are offered as such", () => {
    const text = `title = "T"
[[credentials]]
name = "key"
label = "Key"
[[ credentials ]]
name='other'
[[expect]]
name = "Health"
`;
    expect(declaredIn(text)).toEqual(["key", "other"]);
    expect(declaredIn(credentialBlock("made", 'The "key"'))).toEqual(["made"]);
  });
  test("a file keeps its line ends", () => {
    expect(unixLines("a\r\nb\r\n")).toBe("a\nb\n");
    expect(withLineEnds("a\nb\r\n", true)).toBe("a\r\nb\r\n");
    expect(withLineEnds("a\nb\n", false)).toBe("a\nb\n");
  });
});
