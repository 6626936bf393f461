// A canary password goes in through the window and is never seen again: not in the page, not in what the
// page keeps, not in the store, not in a picture's text.
import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { KEY, Window, pause } from "../lib/webdriver.mjs";

const CANARY = "CANARY-9f27-window-secret";

async function everyFile(folder) {
  const found = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const facts = await stat(path).catch(() => undefined);
    if (facts?.isDirectory()) found.push(...(await everyFile(path)));
    else if (facts?.isFile()) found.push(path);
  }
  return found;
}

/** Everything the page shows or keeps, fields included. */
const page = (window) =>
  window.run(`
    const seen = [document.documentElement.outerHTML, location.href, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie, JSON.stringify(history.state)];
    for (const field of document.querySelectorAll("input, textarea")) seen.push(field.value);
    return seen.join("\\n");
  `);

test("a pasted password leaves the page at once and is in no file of the console", async () => {
  const window = await Window.open();
  try {
    await window.resize(1280, 720);
    await window.click("[data-testid=first-start-address]");
    await window.wait("[data-testid=address]");
    // Nothing answers on port 1: the doctor's report is about the refused connection.
    await window.type("[data-testid=address]", `postgresql://harbor:${CANARY}@127.0.0.1:1/harbor`);
    await window.press(KEY.tab);
    await pause(1200);
    assert.ok(!(await page(window)).includes(CANARY), "the page no longer holds what was pasted");
    await window.click("[data-testid=next-primary]");
    await pause(3000);
    assert.ok(!(await page(window)).includes(CANARY), "the doctor's report does not repeat it");
    const files = await everyFile(window.data);
    assert.ok(files.length > 0, "the console keeps its store in the data folder");
    for (const file of files) assert.ok(!(await readFile(file)).includes(CANARY), `${file} does not hold it`);
  } finally {
    await window.close();
  }
});
