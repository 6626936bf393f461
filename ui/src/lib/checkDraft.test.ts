import { describe, expect, test } from "vitest";
import { blankFields, draftMistakes, draftOf, NEW, type CheckFields } from "./checkDraft";

const fields = (more: Partial<CheckFields>): CheckFields => ({ ...blankFields(), name: "Health", ...more });
const wrong = (more: Partial<CheckFields>) => Object.keys(draftMistakes(fields(more)));

describe("the form of a check", () => {
  test("what is left empty asks for nothing", () => {
    expect(wrong({})).toEqual([]);
    expect(draftOf(fields({ path: " /health ", status: "" }))).toEqual({
      name: "Health",
      asks: {
        kind: "app",
        part: "api",
        path: "/health",
        status: null,
        within_ms: null,
        text: null,
        json: null,
        bearer: null,
      },
    });
  });
  test("each mistake stands at its field", () => {
    expect(wrong({ name: " " })).toEqual(["name"]);
    expect(wrong({ path: "health" })).toEqual(["path"]);
    expect(wrong({ path: "//host/health" })).toEqual(["path"]);
    expect(wrong({ status: "99" })).toEqual(["status"]);
    expect(wrong({ within: "1.5" })).toEqual(["within"]);
    expect(wrong({ jsonPath: "$.a" })).toEqual(["jsonValue"]);
    expect(wrong({ jsonValue: "a" })).toEqual(["jsonPath"]);
    expect(wrong({ jsonPath: "a", jsonValue: "b" })).toEqual(["jsonPath"]);
    expect(wrong({ bearer: NEW, newName: "a key" })).toEqual(["newName", "newLabel"]);
    expect(wrong({ kind: "count", atLeast: "-1" })).toEqual(["table", "atLeast"]);
    expect(wrong({ kind: "no_row" })).toEqual(["sql"]);
  });
  test("fields of another kind are neither looked at nor sent", () => {
    expect(wrong({ kind: "no_row", sql: "SELECT 1", path: "", status: "x" })).toEqual([]);
    expect(draftOf(fields({ kind: "count", table: "styles", atLeast: "3", condition: " " })).asks).toEqual({
      kind: "count",
      table: "styles",
      condition: null,
      at_least: 3,
    });
  });
  test("a new credential goes by the name that it gets", () => {
    const { asks } = draftOf(fields({ bearer: NEW, newName: "api_key", newLabel: "Key" }));
    expect(asks.kind === "app" && asks.bearer).toBe("api_key");
  });
});
