import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);
const panel = "#/environment/production/backups";
const focusedOn = (page, name) =>
  page.evaluate((key) => document.activeElement?.dataset[key] ?? null, name);

/** The dialog that imports a dump, with a path typed. */
async function importing(page, path) {
  await mark(page, "backup-table").waitFor();
  await mark(page, "import-dump").click();
  await mark(page, "import-dialog").waitFor();
  await mark(page, "import-path").fill(path);
}

test("a dump is seen before it is imported; afterwards it is listed by where it came from, and asks which database it is of", async () => {
  const page = await visit(panel);
  await importing(page, "");
  assert.equal(await focusedOn(page, "testid"), "import-path");
  assert.equal(await mark(page, "import-start").getAttribute("aria-disabled"), "true", "nothing is chosen yet");
  await judge(page, "import-empty");
  await mark(page, "import-file").click();
  const preview = mark(page, "import-preview");
  for (const words of ["an archive of pg_dump 15.18", "no time zone", "rows of 43 tables", "The archive as it came", "owners and rights"])
    await preview.getByText(words).first().waitFor();
  await judge(page, "import-preview");
  await mark(page, "import-path").fill("/home/ops/dump.sql.gz");
  await preview.getByText("known once it is read").waitFor();
  await preview.getByText("The dump itself is not kept.").waitFor();
  await mark(page, "import-path").fill("/home/ops/nightly.dump");
  await preview.getByText("rows of 43 tables").waitFor();
  await page.waitForFunction(() => document.querySelector('[data-testid="import-start"]').getAttribute("aria-disabled") === null);
  await mark(page, "import-start").click();
  await headline(page, "The dump is imported and proven.");
  await judge(page, "import-run-ended");
  await mark(page, "next-primary").click();
  const drawer = mark(page, "drawer");
  await drawer.getByText("imported from nightly.dump").waitFor();
  await page.locator("tr", { hasText: "imported from nightly.dump" }).waitFor();
  assert.equal(await mark(page, "backup-remove").getAttribute("aria-disabled"), null, "no rule holds it");
  await judge(page, "import-evidence");
});

test("what is no dump is refused in words before anything starts", async () => {
  const page = await visit(panel);
  for (const [path, words] of [
    ["nightly.dump", "not a whole path"],
    ["/home/ops/mysql.sql", "MySQL"],
    ["/home/ops/evil.sql", "Line 12 of the dump holds a command for psql"],
  ]) {
    if ((await mark(page, "import-dialog").count()) === 0) await importing(page, path);
    else await mark(page, "import-path").fill(path);
    await mark(page, "import-refusals").getByText(words).waitFor();
    assert.equal(await mark(page, "import-start").getAttribute("aria-disabled"), "true");
  }
  await judge(page, "import-refused");
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "import-dialog").count(), 0);
});

/** An import that has begun to load. */
async function importAtWork() {
  const page = await visit(panel, { pace: 350 });
  await importing(page, "/home/ops/nightly.dump");
  await page.waitForFunction(
    () =>
      document
        .querySelector('[data-testid="import-start"]')
        .getAttribute("aria-disabled") === null,
  );
  await mark(page, "import-start").click();
  await headline(page, "The dump is being imported.");
  await mark(page, "moved").getByText("loaded").waitFor();
  return page;
}

test("an import at work tells what it has loaded", async () => {
  await judge(await importAtWork(), "import-run-live");
});

test("an import at work can be cancelled, and nothing of it stays", async () => {
  const page = await importAtWork();
  await mark(page, "cancel-run").click();
  await mark(page, "confirm-cancel").click();
  await headline(page, "The import was cancelled. Nothing of it was kept.");
  await mark(page, "next-primary").click();
  await headline(page, "The newest full backup to trust");
  assert.equal(await page.locator("[data-backup]").count(), 7, "it is not in the list");
});
