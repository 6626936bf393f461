import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);
const place = "#/environment/production/undo/run-152";

test("a run's end leads to its undo, and the undo back to the run", async () => {
  const page = await visit("#/environment/production/run/run-152", {
    scenario: "undo",
  });
  await headline(page, "The seed is in: it added 17 rows and changed 4.");
  await mark(page, "way-back-undo").click();
  await headline(page, "17 of 21 row changes can be taken back.");
});

test("rows that moved are asked about with three versions; each stays unless one says otherwise", async () => {
  const page = await visit(place, { scenario: "undo" });
  await headline(
    page,
    "17 of 21 row changes can be taken back. 4 rows need your answer.",
  );
  await mark(page, "undo-tally").getByText("17", { exact: true }).waitFor();
  for (const row of ["a1", "a2", "a3"])
    assert.ok(await mark(page, `keep-${row}`).isChecked(), `${row} stays`);
  assert.equal(
    await mark(page, "take-a4").count(),
    0,
    "what cannot be taken back is no choice",
  );
  assert.match(
    await mark(page, "conflict-a1").locator(".version--stays").textContent(),
    /^6\s*, will be so afterwards$/,
    "what will be there is boxed",
  );
  assert.equal(
    await page.locator(".row-key b").count(),
    0,
    "a key with tags in it is a text",
  );
  await judge(page, "undo-conflicts");
  await mark(page, "take-a1").check();
  assert.match(
    await mark(page, "conflict-a1").locator(".version--stays").textContent(),
    /^4\s*, will be so afterwards$/,
  );
  await mark(page, "take-a3").check();
  await mark(page, "undo-tally")
    .getByText("They stay, with style_id NULL.")
    .waitFor();
  await judge(page, "undo-taken");
  await mark(page, "next-title")
    .getByText("Try taking back 19 of 21 row changes.")
    .waitFor();
});

test("keyboard alone: choose, show what undoing does, review, confirm", async () => {
  const page = await visit(place, { scenario: "undo" });
  await headline(page, "17 of 21");
  await mark(page, "keep-a1").focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await mark(page, "take-a1").isChecked());
  await mark(page, "headline").focus();
  await page.keyboard.press("Enter");
  await headline(page, "The dry run worked. Nothing has changed.");
  await page.keyboard.press("Enter");
  await headline(page, "This undo would change 1 row and delete 16.");
  await judge(page, "undo-review");
  await mark(page, "plan-inputs").click();
  await mark(page, "drawer").getByText("Kept as now").waitFor();
  await mark(page, "drawer-close").click();
  await mark(page, "headline").focus();
  await page.keyboard.press("Enter");
  await mark(page, "apply-dialog").waitFor();
  assert.match(
    await mark(page, "confirm-apply").textContent(),
    /Undo 18 row changes on production/,
  );
  await mark(page, "confirm-reason").fill("The provider's backup of 02:00");
  await mark(page, "confirm-name").fill("atelier-production");
  await judge(page, "undo-confirm");
  await page.keyboard.press("Enter");
  await headline(page, "The run is taken back: it changed 1 row and deleted 16.");
  await judge(page, "undo-run-ended");
});

test("an undone run says by which run", async () => {
  const page = await visit(place, { scenario: "undo-clean" });
  await headline(page, "All 21 row changes can be taken back.");
  await judge(page, "undo-clean");
  await mark(page, "next-primary").click();
  await headline(page, "The dry run worked");
  await mark(page, "next-primary").click();
  await mark(page, "row-board").waitFor();
  await mark(page, "next-primary").click();
  await mark(page, "confirm-reason").fill("The provider's backup of 02:00");
  await mark(page, "confirm-name").fill("atelier-production");
  await mark(page, "confirm-apply").click();
  await headline(page, "The run is taken back");
  await page.evaluate(
    () => (location.hash = "#/environment/production/run/run-152"),
  );
  await mark(page, "way-back").getByText("Undone by run 154.").waitFor();
  assert.equal(await mark(page, "run-undo").count(), 0);
});

test("what cannot be taken back says why", async () => {
  const page = await visit(place, { scenario: "undo-impossible" });
  await headline(page, "Run 152 cannot be taken back.");
  await mark(page, "undo-impossible").getByText("30 days").waitFor();
  await judge(page, "undo-impossible");
});

test("all at once: take all back, keep all", async () => {
  const page = await visit(place, { scenario: "undo" });
  await headline(page, "17 of 21");
  await mark(page, "undo-all").click();
  await mark(page, "undo-tally").getByText("20", { exact: true }).waitFor();
  await mark(page, "undo-all").click();
  await mark(page, "undo-tally").getByText("17", { exact: true }).waitFor();
});
