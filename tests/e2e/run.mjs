// The window tests: the UI in a browser, then the real window. Each part says what it proved.
import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { repository } from "./lib/webdriver.mjs";

const files = async (folder) =>
  (await readdir(join(repository, folder))).filter((name) => name.endsWith(".test.mjs")).map((name) => join(folder, name));

const browser = await files("tests/e2e/ui");
const window = await files("tests/e2e/window");
if (browser.length === 0 || window.length === 0) throw new Error("the window tests are not where they should be");

let failed = 0;
const run = (words, command, args) => {
  console.log(`window tests: ${words}`);
  const { status } = spawnSync(command, args, { cwd: repository, stdio: "inherit" });
  if (status !== 0) failed += 1;
};
run("the UI in a browser", "npm", ["--prefix", "ui", "run", "e2e"]);
// One window at a time: they share the display.
run("the real window", process.execPath, ["--test", "--test-concurrency=1", "--test-timeout=300000", ...window]);
run("the guided demo", process.execPath, ["tests/e2e/demo.mjs"]);
process.exitCode = failed === 0 ? 0 : 1;
