import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);

test("the truth panel: arrows choose a row, Enter opens its evidence, Esc closes it and keeps the focus", async () => {
  const page = await visit("#/environment/production/migrations");
  await headline(page, "1 migration failed halfway");
  await judge(page, "migrations");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await mark(page, "drawer").waitFor();
  const text = await mark(page, "drawer").textContent();
  assert.match(text, /20260609171200_users_email_lower/);
  await page.getByText("⟨RLO⟩").waitFor();
  await judge(page, "migrations-evidence");
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "drawer").count(), 0);
  assert.equal(
    await page.evaluate(() => document.activeElement.dataset.row),
    "20260609171200_users_email_lower",
    "the focus is kept",
  );
});

test("434 migrations scroll smoothly", async () => {
  const page = await visit("#/environment/production/migrations", {
    scenario: "many",
  });
  await headline(page, "4 migrations are waiting");
  await mark(page, "unfold").click();
  assert.equal(
    await mark(page, "migrations-table").getAttribute("aria-rowcount"),
    "435",
  );
  const { middle, drawn } = await page.evaluate(async () => {
    const main = document.querySelector("main");
    const frames = [];
    let drawn = 0;
    let last = performance.now();
    for (let at = 0; at < main.scrollHeight; at += 240) {
      main.scrollTop = at;
      await new Promise((frame) => requestAnimationFrame(frame));
      const now = performance.now();
      frames.push(now - last);
      drawn = Math.max(drawn, document.querySelectorAll("[data-row]").length);
      last = now;
    }
    frames.sort((one, other) => one - other);
    return { middle: frames[Math.floor(frames.length / 2)], drawn };
  });
  assert.ok(drawn < 120, `${drawn} rows are drawn at a time`);
  assert.ok(
    middle < 50,
    `half of the frames take at most ${middle.toFixed(0)} ms`,
  );
  await page.getByText("20260614111500_feature_flags_scope").waitFor();
  await page.locator("[data-row]").last().focus();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await mark(page, "drawer").waitFor();
  await judge(page, "migrations-many");
});

test("no folder chosen is a next step, not a dead end", async () => {
  const page = await visit("#/environment/fresh/migrations");
  await headline(page, "The migrations could not be read.");
  await mark(page, "next-primary").click();
  await headline(page, "4 migrations are waiting");
});

test("repair: statement by statement, ways with preview", async () => {
  const page = await visit(
    "#/environment/production/repair/20260609171200_users_email_lower",
  );
  await headline(page, "The first 4 of 7 statements stayed");
  await judge(page, "repair");
  await mark(page, "way-finish_failed").click();
  await page.getByText("Plan the repair: finish the rest").waitFor();
  await mark(page, "next-primary").click();
  await headline(page, "repairs the failed migration");
});

test("drift: differences as sentences, worst first, with both definitions", async () => {
  const page = await visit("#/environment/production/drift");
  await headline(page, "6 tables fewer");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await mark(page, "drawer").waitFor();
  await judge(page, "drift");
});

test("no drift says what was compared", async () => {
  const page = await visit("#/environment/staging/drift");
  await mark(page, "empty").waitFor();
  await judge(page, "drift-none");
});
