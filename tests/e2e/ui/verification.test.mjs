import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);
const place = "#/environment/production/verification";

test("the checks: which hold, which fail, which could not be read; the worst is one press away", async () => {
  const page = await visit("#/environment/production/overview");
  await headline(page, "The app expects");
  assert.equal(
    await mark(page, "card-verification").getAttribute("data-tone"),
    "block",
  );
  await page.keyboard.press("6");
  await headline(page, "12 of 17 checks hold. 2 fail");
  await judge(page, "verification");
  const tone = (name) =>
    mark(page, "check-table")
      .locator("tr", { hasText: name })
      .locator("[data-tone]")
      .getAttribute("data-tone");
  assert.equal(await tone("Audit entries today"), "unknown");
  assert.equal(await tone("Users whose credits differ"), "block");
  await page.keyboard.press("Enter");
  await mark(page, "drawer").getByText("3 users hold credits").waitFor();
  await mark(page, "check-history").waitFor();
  await judge(page, "verification-evidence");
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "drawer").count(), 0);
});

test("arrows walk the checks, and the evidence follows", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await mark(page, "drawer").getByText("No migration half done").waitFor();
  for (let at = 0; at < 5; at += 1) await page.keyboard.press("ArrowDown");
  await mark(page, "drawer").getByText("permission denied").waitFor();
  await judge(page, "verification-unknown");
  await page.keyboard.press("Escape");
  assert.equal(
    await page.evaluate(() => document.activeElement.dataset.check),
    "avatar-models/Audit entries today",
    "the focus is kept",
  );
});

test("what held long ago is stale; verifying again makes it fresh", async () => {
  const page = await visit("#/environment/staging/verification");
  await headline(page, "All 13 checks hold.");
  await mark(page, "check-table").locator('[data-tone="stale"]').first().waitFor();
  assert.equal(
    await mark(page, "check-table").locator('[data-tone="pass"]').count(),
    0,
    "stale is not green",
  );
  await judge(page, "verification-stale");
  await mark(page, "next-primary").click();
  await mark(page, "check-table").locator('[data-tone="pass"]').first().waitFor();
  await judge(page, "verification-well");
});

test("no check is not green, and says what to do first", async () => {
  const none = await visit(place, { scenario: "checks-none" });
  await mark(none, "empty").getByText("Nothing is checked yet").waitFor();
  assert.equal(await none.locator('main [data-tone="pass"]').count(), 0);
  await judge(none, "verification-none");
  await none.keyboard.press("Enter");
  await headline(none, "No file of checks is read yet.");
  await mark(none, "empty").getByText("What to do first").waitFor();
  assert.match(await mark(none, "next-primary").textContent(), /Add a folder…/);
  await judge(none, "checks-setup-empty");
  const never = await visit(place, { scenario: "checks-never" });
  await headline(never, "This database was not verified yet.");
  assert.match(
    await mark(never, "next-detail").textContent(),
    /A check that writes is left out until you tick it/,
    "nothing is said that is not known yet",
  );
  await judge(never, "verification-never");
  await never.keyboard.press("Enter");
  await headline(never, "12 of 17");
});

test("loading and errors", async () => {
  const slow = await visit(place, { scenario: "slow" });
  await mark(slow, "loading").waitFor();
  await judge(slow, "verification-loading");
  const broken = await visit(place, { scenario: "broken" });
  await headline(broken, "12 of 17");
  await mark(broken, "verify-again").click();
  await mark(broken, "writing-without").click();
  await mark(broken, "failure").getByText("The connection was lost").waitFor();
  await broken.getByText("It could not be verified again.").waitFor();
  await judge(broken, "verification-error");
});

test("ask the database: Ctrl Enter, rows as they are, a refusal, no row", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await mark(page, "view-ask").click();
  await headline(page, "Ask the database. It is only read.");
  assert.equal(
    await mark(page, "next-primary").getAttribute("aria-disabled"),
    "true",
  );
  await mark(page, "query-text").fill("SELECT * FROM notes");
  await page.keyboard.press("Control+Enter");
  await mark(page, "query-note").getByText("only the first are shown").waitFor();
  const table = mark(page, "query-table");
  const text = await table.textContent();
  for (const part of ["<script>alert(1)</script>", "⟨ESC⟩[31m", "⟨RLO⟩", "99999999999999999999.99", "-0.00", "numeric(12,2)"])
    assert.ok(text.includes(part), part);
  assert.equal(await table.locator("script").count(), 0);
  assert.equal(await table.locator("tr").nth(2).locator(".nothing").count(), 1);
  await judge(page, "query");
  await mark(page, "query-text").fill("UPDATE notes SET a = 1");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(
    () => document.querySelector('[data-testid="failure-code"]')?.textContent === "DRY-1224",
  );
  await judge(page, "query-refused");
  await mark(page, "query-text").fill("SELECT nothing");
  await page.keyboard.press("Control+Enter");
  await mark(page, "query-empty").waitFor();
  await judge(page, "query-empty");
});
