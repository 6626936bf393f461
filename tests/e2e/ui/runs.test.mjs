import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);

test("runs: search, and what needs attention comes first", async () => {
  const page = await visit("#/environment/production/runs");
  await headline(page, "Run 151 needs attention.");
  await judge(page, "runs");
  await mark(page, "runs-search").fill("succeeded");
  await page.waitForFunction(
    () => document.querySelectorAll("tbody tr").length === 1,
  );
  await mark(page, "runs-search").fill("nothing like it");
  await mark(page, "empty").waitFor();
});

test("a killed run: journal beside server, what is not known, the safe next step", async () => {
  const page = await visit("#/environment/production/run/run-151");
  await headline(page, "The console stopped while migration 3 of 4 ran.");
  await mark(page, "accounts").waitFor();
  await judge(page, "run-needs-attention");
  assert.match(
    await mark(page, "next-primary").textContent(),
    /Make a new plan/,
  );
});

test("a failed run says what stayed and leads to the repair", async () => {
  const page = await visit("#/environment/production/run/run-147");
  await headline(page, "The run stopped: 0 of 2 migrations are in.");
  await judge(page, "run-failed");
  await page.keyboard.press("Enter");
  await headline(page, "The first 4 of 7");
});

test("a run of yesterday can be read again", async () => {
  const page = await visit("#/environment/production/run/run-148");
  await headline(page, "All 2 migrations are in");
  assert.equal(
    await mark(page, "run-status").getAttribute("data-status"),
    "succeeded",
  );
});

test("an environment without runs says what will appear", async () => {
  const page = await visit("#/environment/staging/runs");
  await mark(page, "empty").waitFor();
  await judge(page, "runs-empty");
});

test("the store's failure is told before anything else", async () => {
  const page = await visit("", { scenario: "broken-list" });
  await headline(page, "The environments could not be read.");
  assert.equal(await mark(page, "failure-code").textContent(), "DRY-1501");
  await judge(page, "store-broken");
});
