import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);

/** Repairs production's failed migration in the fake, up to the plan of the waiting ones. */
async function settled(page) {
  await headline(page, "The app expects");
  await mark(page, "next-primary").click();
  await headline(page, "The first 4 of 7");
  await mark(page, "next-primary").click();
  await headline(page, "repairs the failed migration");
  await mark(page, "next-primary").click();
  await headline(page, "The dry run worked");
  await mark(page, "next-primary").click();
  await mark(page, "totals").waitFor();
  await confirm(page);
  await headline(page, "The repair is done");
  await mark(page, "next-primary").click();
  await headline(page, "5 migrations are waiting");
  await mark(page, "next-primary").click();
  await headline(page, "applies 5 migrations");
}

async function confirm(page) {
  await mark(page, "next-primary").click();
  await mark(page, "apply-dialog").waitFor();
  for (const tick of await mark(page, "confirm-tick").all()) await tick.check();
  if (await mark(page, "confirm-reason").count())
    await mark(page, "confirm-reason").fill(
      "The provider's own backup of 02:00 is at hand",
    );
  if (await mark(page, "confirm-name").count())
    await mark(page, "confirm-name").fill("atelier-production");
  await mark(page, "confirm-apply").click();
}

test("production: plan, dry run, confirmation with tick, reason and name, apply", async () => {
  const page = await visit("#/environment/production/overview");
  await settled(page);
  await judge(page, "plan-untried");
  await mark(page, "next-primary").click();
  await headline(page, "The dry run worked. Nothing has changed.");
  await judge(page, "dry-run-ended");
  await mark(page, "next-primary").click();
  await mark(page, "totals").waitFor();
  await judge(page, "plan-review");
  await mark(page, "next-primary").click();
  await mark(page, "apply-dialog").waitFor();
  assert.equal(
    await mark(page, "confirm-apply").getAttribute("aria-disabled"),
    "true",
    "nothing is confirmed yet",
  );
  await mark(page, "confirm-tick").check();
  await mark(page, "confirm-name").fill("atelier-production");
  assert.equal(
    await mark(page, "confirm-apply").getAttribute("aria-disabled"),
    "true",
    "the reason is missing",
  );
  await mark(page, "confirm-reason").fill(
    "The provider's own backup of 02:00 is at hand",
  );
  await mark(page, "confirm-name").fill("atelier-eu");
  await page.keyboard.press("Enter");
  assert.equal(
    await mark(page, "apply-dialog").count(),
    1,
    "another name confirms nothing",
  );
  await mark(page, "confirm-name").fill("atelier-production");
  await judge(page, "plan-confirm");
  await mark(page, "confirm-apply").click();
  await headline(page, "All 5 migrations are in");
  await judge(page, "run-succeeded");
  await page.keyboard.press("Enter");
  await headline(page, "All is well");
  await judge(page, "overview-well");
});

test("a run that waits for a lock shows who holds it; cancel says what is taken back and what stays", async () => {
  const page = await visit("#/environment/production/overview", {
    scenario: "lock",
  });
  await settled(page);
  await mark(page, "next-primary").click();
  await headline(page, "The dry run worked");
  await mark(page, "next-primary").click();
  await mark(page, "totals").waitFor();
  await confirm(page);
  await headline(
    page,
    "2 of 5 migrations are in. The next one waits for a lock.",
  );
  await mark(page, "waiting").getByText("try 4 of 8").waitFor();
  await judge(page, "run-waiting");
  await mark(page, "cancel-run").click();
  await mark(page, "cancel-dialog").waitFor();
  await judge(page, "run-cancel");
  await mark(page, "confirm-cancel").click();
  await headline(page, "The run was cancelled. 2 of 5 migrations are in.");
  await judge(page, "run-cancelled");
});

test("the demo leads from wrong to right by its next button, without typing", async () => {
  const page = await visit("#/start", { scenario: "empty" });
  await mark(page, "first-start-sandbox").click();
  await judge(page, "first-start-sandbox");
  await mark(page, "next-primary").click();
  await mark(page, "rail-env-demo").waitFor();
  await headline(page, "The app expects");
  let presses = 0;
  for (; presses < 20; presses += 1) {
    if ((await mark(page, "headline").textContent()).includes("All is well"))
      break;
    if (await mark(page, "apply-dialog").count()) {
      for (const tick of await mark(page, "confirm-tick").all())
        await tick.check();
      assert.equal(
        await mark(page, "confirm-name").count(),
        0,
        "a development sandbox asks for no name",
      );
      await mark(page, "confirm-apply").click();
    } else {
      const before = await page.evaluate(() => location.hash);
      await page
        .locator('[data-testid="next-primary"]:not([aria-disabled])')
        .click();
      await page
        .waitForFunction(
          (hash) =>
            location.hash !== hash ||
            document.querySelector("dialog[open]") !== null,
          before,
          { timeout: 3000 },
        )
        .catch(() => undefined);
    }
    await page.waitForFunction(
      () => document.querySelector('[data-testid="loading"]') === null,
    );
  }
  await headline(page, "All is well");
  assert.ok(presses <= 14, `${presses} presses lead to the end`);
});
