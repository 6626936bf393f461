import { describe, expect, test } from "vitest";
import type { CheckSetup, NeededCredential, SuiteSummary } from "./bindings";
import {
  fileName,
  firstText,
  folderOf,
  missingIn,
  nameMistake,
  pathIn,
  setupHeadline,
  suitesIn,
  suiteWords,
} from "./checkSetup";

const suite = (id: string, more: Partial<SuiteSummary> = {}): SuiteSummary => ({
  id,
  title: "T",
  description: "",
  checks: 2,
  flows: 1,
  problems: [],
  ...more,
});
const wrong = suite("/checks/bad.toml", {
  checks: 0,
  flows: 0,
  problems: [{ at: { file: "bad.toml", line: 3 }, what: "It is wrong.", next: "Correct it." }],
});
const credential = (more: Partial<NeededCredential> = {}): NeededCredential => ({
  name: "key",
  label: "Key",
  asked_by: ["T"],
  kept: "keyring",
  problem: null,
  ...more,
});
const setup = (more: Partial<CheckSetup> = {}): CheckSetup => ({
  app: "https://app.example.com/",
  folders: ["/checks"],
  suites: [suite("/checks/shop.toml")],
  credentials: [credential()],
  unreadable: [],
  ...more,
});

describe("what is missing", () => {
  test("the first thing comes first", () => {
    expect(missingIn(setup({ folders: [], suites: [], app: null }))?.kind).toBe("folder");
    expect(missingIn(setup({ suites: [] }))?.kind).toBe("file");
    expect(missingIn(setup({ suites: [], unreadable: ["/checks"] }))?.kind).toBe("unreadable");
    expect(missingIn(setup({ suites: [wrong], app: null }))?.kind).toBe("mistake");
    expect(missingIn(setup({ app: null }))?.kind).toBe("address");
    expect(missingIn(setup({ credentials: [credential({ kept: null, problem: "Not set yet." })] }))?.kind).toBe(
      "credential",
    );
    expect(missingIn(setup())).toBeNull();
  });
  test("a credential that cannot be used is missing, too", () => {
    expect(missingIn(setup({ credentials: [credential({ problem: "The vault is locked." })] }))?.kind).toBe(
      "credential",
    );
  });
  test("without a check that asks the app, no address is needed", () => {
    expect(missingIn(setup({ app: null, suites: [suite("/checks/shop.toml", { flows: 0 })] }))).toBeNull();
  });
  test("the headline says what there is, then what is missing", () => {
    expect(setupHeadline(setup())).toBe("2 checks in 1 file.");
    expect(setupHeadline(setup({ folders: [], suites: [] }))).toBe("No file of checks is read yet.");
    expect(setupHeadline(setup({ suites: [wrong] }))).toBe("1 file has mistakes.");
    expect(
      setupHeadline(setup({ app: null, suites: [suite("/checks/shop.toml"), wrong], unreadable: ["/gone"] })),
    ).toBe("2 checks in 1 file. 1 folder cannot be read, 1 file has mistakes, the app's address is not set.");
  });
});

describe("files", () => {
  test("a path is taken apart on every system", () => {
    expect([folderOf("/a/b/c.toml"), fileName("/a/b/c.toml")]).toEqual(["/a/b", "c.toml"]);
    expect([folderOf("C:\\a\\c.toml"), fileName("C:\\a\\c.toml")]).toEqual(["C:\\a", "c.toml"]);
  });
  test("a file belongs to its own folder, and to none that begins alike", () => {
    const both = setup({ suites: [suite("/checks/a.toml"), suite("/checks-old/b.toml")] });
    expect(suitesIn(both, "/checks").map((one) => one.id)).toEqual(["/checks/a.toml"]);
  });
  test("what a file holds, in words", () => {
    expect(suiteWords(suite("a", { checks: 1, flows: 1 }))).toBe("1 check, it asks the app");
    expect(suiteWords(suite("a", { checks: 3, flows: 0 }))).toBe("3 checks, none asks the app");
    expect(suiteWords(suite("a", { checks: 3, flows: 2 }))).toBe("3 checks, 2 of them ask the app");
    expect(suiteWords(wrong)).toBe("1 mistake has to be corrected first.");
  });
  test("a name is taken with or without its ending; what no folder could hold is refused", () => {
    expect(pathIn("/checks/", " prices.toml ")).toBe("/checks/prices.toml");
    expect(nameMistake("prices", "/checks", setup())).toBeNull();
    for (const name of ["", ".toml", "../prices", "a/b", "a\\b", ".hidden", 'a"b'])
      expect(nameMistake(name, "/checks", setup()), name).not.toBeNull();
    expect(nameMistake("Shop", "/checks", setup())).toMatch(/already/);
    expect(firstText("prices-page.toml")).toBe('title = "Prices page"\n');
  });
});
