import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);

test("the plan of a roll back: what goes in its order, what comes back, and rows that may be put back", async () => {
  const page = await visit("#/environment/production/migrations");
  await headline(page, "1 migration failed halfway");
  await mark(page, "unfold").click();
  await page.locator("[data-row]").first().click();
  await mark(page, "roll-back-one").click();
  await mark(page, "roll-back-goes").getByText("Drop avatars").waitFor();
  assert.equal(
    await mark(page, "roll-back-comes").count(),
    0,
    "nothing was chosen yet",
  );
  await mark(page, "roll-back-written")
    .getByText("the backup does not hold them")
    .waitFor();
  assert.equal(
    await mark(page, "rows-back-credits").isDisabled(),
    true,
    "a closed way says why",
  );
  assert.equal(
    await mark(page, "rows-back-plan").count(),
    0,
    "this is the plan that is shown",
  );
  await judge(page, "roll-back-plan");
  await mark(page, "rows-back-users").check();
  await mark(page, "rows-back-plan").click();
  await mark(page, "roll-back-comes")
    .getByText("All rows of users come from the backup")
    .waitFor();
  assert.equal(await mark(page, "rows-back-users").isChecked(), true);
  await judge(page, "roll-back-plan-rows");
});
