import { describe, expect, test } from "vitest";
import { tokens } from "./sql";

const joined = (sql: string) =>
  tokens(sql)
    .map((token) => token.text)
    .join("");
const of = (sql: string, kind: string) =>
  tokens(sql)
    .filter((token) => token.kind === kind)
    .map((token) => token.text);

describe("the tokenizer", () => {
  test("loses nothing, whatever it is given", () => {
    for (const sql of [
      "",
      "SELECT 1",
      "'never closed",
      "/* never closed",
      "$tag$ never closed",
      '"never closed',
      "DO $$ BEGIN RAISE 'x'; END $$;",
      "-- only a comment",
      "\u202eSELECT",
    ])
      expect(joined(sql)).toBe(sql);
  });

  test("keywords inside strings, comments and quoted names are no keywords", () => {
    expect(of(`CREATE TABLE "select" (a text DEFAULT 'drop table') -- drop`, "keyword")).toEqual([
      "CREATE",
      "TABLE",
      "DEFAULT",
    ]);
  });

  test("dollar quotes end at their own tag", () => {
    expect(of("$a$ one $b$ two $a$ three", "string")).toEqual(["$a$ one $b$ two $a$"]);
  });

  test("doubled and escaped quotes stay in the string", () => {
    expect(of("'it''s' || e'\\'x'", "string")).toEqual(["'it''s'", "e'\\'x'"]);
  });
});
