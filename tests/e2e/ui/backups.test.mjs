import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);
const panel = "#/environment/production/backups";
const opened = "#/environment/production/backup/b-deep";
const tones = (page) =>
  page.locator("[data-backup]").evaluateAll((rows) =>
    rows.map((row) => [
      row.dataset.backup,
      row.closest("tr").querySelector("[data-tone]").dataset.tone,
    ]),
  );
const focusedOn = (page, name) =>
  page.evaluate((key) => document.activeElement?.dataset[key] ?? null, name);

/** The dialog that takes one, with what it would be. */
async function take(page) {
  await mark(page, "backup-table").waitFor();
  await mark(page, "next-primary").click();
  await mark(page, "backup-preview").waitFor();
}

async function fits(page) {
  await page.waitForFunction(
    () =>
      document
        .querySelector('[data-testid="take-start"]')
        .getAttribute("aria-disabled") === null,
  );
}

test("the panel: which backup leads back, how each can be trusted, how they are kept", async () => {
  const page = await visit("#/environment/production/overview");
  await headline(page, "The app expects");
  await page.keyboard.press("5");
  await headline(page, "The newest full backup to trust is from");
  assert.equal(
    await page.locator('[aria-current="page"]').getAttribute("data-testid"),
    "panel-backups",
    "the rail says where one is",
  );
  assert.deepEqual(await tones(page), [
    ["b-quick", "pass"],
    ["b-new", "pass"],
    ["b-deep", "pass"],
    ["b-night", "pass"],
    ["b-broken", "block"],
    ["b-unproven", "unknown"],
    ["b-old", "stale"],
  ]);
  await mark(page, "backups-foot")
    .getByText("Older than 30 days is removed; the newest proven one and imports always stay.")
    .waitFor();
  await mark(page, "key-risk").waitFor();
  await judge(page, "backups");
});

test("filters by mouse; one that finds nothing says so", async () => {
  const page = await visit(panel);
  await mark(page, "show-quick").click();
  assert.equal(await page.locator("[data-backup]").count(), 1);
  await mark(page, "show-open").click();
  assert.deepEqual(
    (await tones(page)).map(([id]) => id),
    ["b-broken", "b-unproven"],
  );
  const other = await visit("#/environment/staging/backups");
  await headline(other, "hours old.");
  await mark(other, "show-quick").click();
  await mark(other, "none-shown").getByText("no quick backup").waitFor();
});

test("evidence by keyboard: arrows choose, Enter opens, Esc closes and gives the focus back", async () => {
  const page = await visit(panel);
  await mark(page, "backup-table").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focusedOn(page, "backup"), "b-deep");
  await page.keyboard.press("Enter");
  const drawer = mark(page, "drawer");
  await drawer.getByText("What was proven").waitFor();
  for (const words of ["Row hashes are the same", "18,417,408", "43 of 43", "pg_dump 18.4", "1 min 52 s, proof 2 min 40 s", "roles, passwords and settings"])
    await drawer.getByText(words).first().waitFor();
  assert.equal(await mark(page, "backup-tables").locator("tbody tr").count(), 8);
  await mark(page, "backup-tables-all").click();
  assert.equal(await mark(page, "backup-tables").locator("tbody tr").count(), 43);
  await judge(page, "backups-evidence");
  await page.keyboard.press("Escape");
  assert.equal(await drawer.count(), 0);
  assert.equal(await focusedOn(page, "backup"), "b-deep", "the focus is kept");
});

test("every state has its word and its look; only proven ones pass", async () => {
  const page = await visit(panel, { scenario: "backups-states" });
  await headline(page, "The newest full backup to trust");
  const words = Object.fromEntries(
    await page.locator("[data-backup]").evaluateAll((rows) =>
      rows.map((row) => [
        row.dataset.backup,
        row.closest("tr").querySelector("[data-tone]").textContent.trim(),
      ]),
    ),
  );
  assert.deepEqual(
    [words["b-taking"], words["b-proving"], words["b-failed"], words["b-unknown"], words["b-gone"], words["b-nokey"]],
    ["Taking", "Proving", "Failed", "Unknown", "Gone", "No key"],
  );
  await judge(page, "backups-states");
  const drawer = mark(page, "drawer");
  const look = async (id, said, restores) => {
    await mark(page, `backup-${id}`).click();
    await drawer.getByText(said).first().waitFor();
    assert.equal(
      await mark(page, "backup-restore").getAttribute("aria-disabled"),
      restores ? null : "true",
      `${id} ${restores ? "can" : "cannot"} be restored`,
    );
  };
  await look("b-taking", "Nothing of it can be used before all of it is stored.", false);
  await look("b-gone", "If it was deleted, the backup is lost.", false);
  await look("b-broken", "The disk was full.", false);
  await judge(page, "backups-broken");
  await look("b-unproven", "It was never restored.", true);
  await look("b-unknown", "The sandbox did not start.", true);
  await judge(page, "backups-unknown");
  await look("b-failed", "Rows of credit_ledger are not those that were stored.", true);
  assert.equal(await drawer.locator('[data-outcome="block"]').count(), 1);
  await judge(page, "backups-failed");
  await look("b-nokey", "a key that this computer does not have", false);
  await judge(page, "backups-no-key");
});

test("loading, error, nothing yet, old", async () => {
  const slow = await visit(panel, { scenario: "slow" });
  await mark(slow, "loading").getByText("Looking at the stored backups").waitFor();
  await judge(slow, "backups-loading");
  const broken = await visit(panel, { scenario: "backups-broken" });
  await headline(broken, "The backups could not be read.");
  assert.equal(await mark(broken, "failure-code").textContent(), "DRY-1501");
  await judge(broken, "backups-error");
  const none = await visit("#/environment/fresh/backups");
  await headline(none, "There is no backup yet.");
  await mark(none, "empty").getByText("Take one before you change anything here.").waitFor();
  await judge(none, "backups-empty");
  const again = await visit(panel, { scenario: "again" });
  await headline(again, "The newest full backup to trust");
  await mark(again, "panel-runs").click();
  await headline(again, "Run 151");
  await mark(again, "panel-backups").click();
  await again.getByText("The backups could not be read again.").waitFor();
  assert.ok((await again.locator("[data-backup]").count()) > 0, "what was seen stays");
  await judge(again, "backups-stale");
});

test("no key can be kept, or its vault is locked: the button is off and says why", async () => {
  const locked = await visit(panel, { scenario: "vault" });
  await headline(locked, "The newest full backup to trust");
  assert.equal(await mark(locked, "next-primary").getAttribute("aria-disabled"), "true");
  assert.match(await mark(locked, "next-detail").textContent(), /The vault .* is locked/);
  await judge(locked, "backups-vault");
  await locked.getByRole("button", { name: "Unlock the vault" }).click();
  await mark(locked, "prompt-vault").waitFor();

  const nowhere = await visit(panel, { scenario: "backups-nowhere" });
  await headline(nowhere, "The newest full backup to trust");
  await judge(nowhere, "backups-nowhere");
  await nowhere.getByRole("button", { name: "Open the settings" }).click();
  await headline(nowhere, "Settings of this console.");
});

test("a deep backup is seen before it starts, taken, proven, and leads to its evidence", async () => {
  const page = await visit(panel);
  await take(page);
  assert.equal(await focusedOn(page, "testid"), "kind-deep");
  const preview = mark(page, "backup-preview");
  for (const words of ["only reads", "pg_dump 18.4", "43 tables", "1.8 GB needed here, 44.3 GB free", "schema auth"])
    await preview.getByText(words).first().waitFor();
  await judge(page, "backup-take");
  await fits(page);
  await mark(page, "take-start").click();
  await headline(page, "The backup is stored and proven.");
  await mark(page, "run-stored").getByText("43", { exact: true }).waitFor();
  await mark(page, "run-proof").getByText("Row hashes are the same").waitFor();
  await judge(page, "backup-run-ended");
  await mark(page, "next-primary").click();
  await headline(page, "The newest full backup to trust");
  await mark(page, "drawer").getByText("What was proven").waitFor();
  assert.equal(await page.locator("[data-backup]").count(), 8, "it is in the list");
});

test("a quick one is of tables that are ticked or typed; a wrong name is refused by name", async () => {
  const page = await visit(panel);
  await take(page);
  await mark(page, "kind-quick").check();
  await page.getByText("once a table is named").waitFor();
  assert.equal(await mark(page, "take-start").getAttribute("aria-disabled"), "true");
  await mark(page, "table-search").fill("users");
  await mark(page, "tick-users").check();
  await mark(page, "backup-preview").getByText("quick backup of 1 table").waitFor();
  await mark(page, "tables-typed").fill("billing.invoices, nothing_like_it");
  await mark(page, "refusals").getByText("There is no table nothing_like_it.").waitFor();
  await judge(page, "backup-take-quick");
  await mark(page, "tables-typed").fill("billing.invoices");
  await mark(page, "backup-preview").getByText("quick backup of 2 tables").waitFor();
  await fits(page);
  await mark(page, "take-prove").uncheck();
  assert.equal((await mark(page, "take-start").textContent()).trim(), "Back up");
  await page.keyboard.press("Enter");
  await headline(page, "The backup is stored. It is not proven yet.");
  assert.match(await mark(page, "next-title").textContent(), /Prove it/);
  await judge(page, "backup-run-unproven");
  await mark(page, "next-primary").click();
  await headline(page, "The backup is proven");
  await mark(page, "run-proof").waitFor();
});

test("schemas are typed; refusals and a size that is too large to prove are told", async () => {
  const page = await visit(panel);
  await take(page);
  await mark(page, "extent-schemas").click();
  await mark(page, "schemas-typed").fill("billing");
  await mark(page, "backup-preview").getByText("3 tables").first().waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "take-dialog").count(), 0);

  const refused = await visit(panel, { scenario: "backups-refused" });
  await take(refused);
  await mark(refused, "refusals").getByText("the right to SELECT is missing").waitFor();
  assert.equal(await mark(refused, "take-start").getAttribute("aria-disabled"), "true");
  await judge(refused, "backup-take-refused");

  const large = await visit(panel, { scenario: "backups-large" });
  await take(large);
  await mark(large, "prove-later").waitFor();
  assert.ok(await mark(large, "take-prove").isDisabled());
  assert.equal((await mark(large, "take-start").textContent()).trim(), "Back up");
  await judge(large, "backup-take-large");
});

test("a run at work tells megabytes, tables and time left; cancelled, nothing of it is kept", async () => {
  const page = await visit(panel, { pace: 350 });
  await take(page);
  await fits(page);
  await mark(page, "take-start").click();
  await headline(page, "The backup is being taken.");
  await mark(page, "moved").getByText("of 43 tables").waitFor();
  await mark(page, "moved").getByText("stored of about 3.5 GB").waitFor();
  await mark(page, "moved").getByText(/about .* left/).waitFor();
  await mark(page, "cancel-run").click();
  await mark(page, "cancel-dialog").getByText("what is stored of it so far").waitFor();
  await mark(page, "confirm-cancel").click();
  await headline(page, "The backup was cancelled. Nothing of it was kept.");
  await judge(page, "backup-run-cancelled");
  await mark(page, "next-primary").click();
  await headline(page, "The newest full backup to trust");
  assert.equal((await tones(page))[0][1], "block", "it is listed as broken");
});

test("a proof at work counts tables, and leaves the panel with the run to watch", async () => {
  const page = await visit(opened, { pace: 300 });
  await mark(page, "backup-prove").click();
  await headline(page, "The backup is being proven.");
  await mark(page, "moved").getByText("restored").waitFor();
  await judge(page, "backup-run-live");
  await mark(page, "panel-backups").click();
  await page.locator('[data-backup="b-deep"]').waitFor();
  assert.deepEqual(
    (await tones(page)).find(([id]) => id === "b-deep"),
    ["b-deep", "running"],
  );
  await page.waitForFunction(
    () =>
      document
        .querySelector('[data-backup="b-deep"]')
        ?.closest("tr")
        .querySelector("[data-tone]").dataset.tone === "pass",
    undefined,
    { timeout: 20000 },
  );
});

test("what could not be proven is told on the run and in the panel", async () => {
  const page = await visit(panel, { scenario: "backups-differs" });
  await take(page);
  await fits(page);
  await mark(page, "take-start").click();
  await headline(page, "The backup is stored, but it could not be proven.");
  await mark(page, "run-proof").getByText("What did not hold").waitFor();
  await judge(page, "backup-run-differs");
  await mark(page, "next-primary").click();
  await headline(page, "The newest full backup to trust");
  assert.equal((await tones(page))[0][1], "block");
});

test("removing asks first; the newest proven one stays", async () => {
  const page = await visit(panel);
  await mark(page, "backup-b-new").click();
  assert.match(await mark(page, "backup-remove").getAttribute("title"), /never removed/);
  await mark(page, "backup-b-old").click();
  await mark(page, "backup-remove").click();
  await mark(page, "remove-dialog").getByText("3.3 GB on this computer").waitFor();
  await judge(page, "backup-remove");
  await mark(page, "confirm-remove").click();
  await mark(page, "said").getByText("The backup is removed.").waitFor();
  assert.equal(await mark(page, "backup-b-old").count(), 0);
});

test("how they are kept: numbers, a folder, a time of day; what is wrong is said beside the button", async () => {
  const page = await visit(panel);
  await mark(page, "backups-keep").click();
  await mark(page, "keeping-dialog").waitFor();
  await judge(page, "backups-keeping");
  await mark(page, "policy-time").fill("2am");
  await mark(page, "policy-wrong").getByText("Type the time as 02:00").waitFor();
  await mark(page, "policy-time").fill("03:30");
  await mark(page, "policy-keep_gb").fill("");
  await mark(page, "policy-wrong").getByText("whole number").waitFor();
  await mark(page, "policy-keep_gb").fill("64");
  await mark(page, "policy-pick").click();
  await mark(page, "policy-folder").getByText("/home/ops").waitFor();
  await mark(page, "policy-save").click();
  await mark(page, "said").getByText("The rules are saved.").waitFor();
  await mark(page, "backups-foot").getByText("beyond 64 GB").waitFor();
  assert.match(await mark(page, "next-title").textContent(), /03:30/);
});

test("a backup that begins after one went back moves nothing, and one that does not begin is told", async () => {
  const begin = async (scenario) => {
    const page = await visit("#/environment/production/overview", { scenario });
    await mark(page, "panel-backups").click();
    await take(page);
    await fits(page);
    await mark(page, "take-start").click();
    await page.goBack();
    await mark(page, "elsewhere-follow").waitFor();
    assert.match(page.url(), /overview$/, "the page under the hands stays");
    return page;
  };
  const begun = await begin("late");
  await begun.getByText("The run has begun.").waitFor();
  await mark(begun, "elsewhere-follow").click();
  await begun.waitForFunction(() => location.hash.includes("/run/"));

  const failed = await begin("late-fails");
  assert.equal(await mark(failed, "failure").count(), 0);
  await failed.getByText("The database does not answer.").waitFor();
  await mark(failed, "elsewhere-follow").click();
  await mark(failed, "failure").getByText("The database does not answer.").waitFor();
});

test("what was said of one environment does not stand over another one's page", async () => {
  const page = await visit(panel);
  await mark(page, "backups-keep").click();
  await mark(page, "policy-save").click();
  await mark(page, "said").getByText("The rules are saved.").waitFor();
  await mark(page, "rail-env-preview-nila").click();
  await page.waitForFunction(() => location.hash.includes("preview"));
  await page.waitForFunction(() => document.querySelector('[data-testid="said"]').textContent === "", null, { timeout: 1000 });
});

test("the key is exported under a passphrase typed twice, and it leaves the window", async () => {
  const page = await visit(panel);
  await mark(page, "key-export-now").click();
  await mark(page, "public-key").getByText("age1").waitFor();
  await judge(page, "backups-keys");
  await mark(page, "key-folder").click();
  await mark(page, "key-passphrase").fill("too short");
  await mark(page, "key-hint").getByText("At least 12 characters.").waitFor();
  await mark(page, "key-passphrase").fill("four words are enough");
  await mark(page, "key-repeat").fill("four words are enouhg");
  await mark(page, "key-hint").getByText("The two are not the same.").waitFor();
  assert.equal(await mark(page, "keys-send").getAttribute("aria-disabled"), "true");
  await mark(page, "key-file").fill("taken.age");
  await mark(page, "key-repeat").fill("four words are enough");
  await page.keyboard.press("Enter");
  await mark(page, "failure-code").getByText("DRY-1801").waitFor();
  await mark(page, "key-file").fill("keys.age");
  await mark(page, "key-passphrase").fill("four words are enough");
  await mark(page, "key-repeat").fill("four words are enough");
  await mark(page, "keys-send").click();
  await mark(page, "key-written").getByText("/keys.age").waitFor();
  assert.ok(
    await page.evaluate(() =>
      [...document.querySelectorAll("input")].every(
        (input) => !input.value.includes("words"),
      ),
    ),
    "the passphrase has left the window",
  );
  await judge(page, "backups-key-exported");
  await mark(page, "keys-close").click();
  await page.waitForFunction(
    () => document.querySelector('[data-testid="key-risk"]') === null,
  );
});

test("a key from another computer is imported where it is missing", async () => {
  const page = await visit(panel, { scenario: "backups-states" });
  await mark(page, "backup-b-nokey").click();
  await mark(page, "drawer").getByRole("button", { name: "Import its key" }).click();
  await mark(page, "key-import-file").click();
  await mark(page, "key-import-passphrase").fill("four words are enough");
  await mark(page, "keys-send").click();
  await mark(page, "keys-dialog").getByText("2 keys added.").waitFor();
  await judge(page, "backups-keys-import");
});

/** From the evidence to a step of the restore, by the button that leads on. */
async function restore(page, until) {
  await mark(page, "backup-restore").click();
  await mark(page, "restore-dialog").waitFor();
  if (until === "choose") return;
  await mark(page, "restore-on").click();
  await mark(page, "loss-again").waitFor();
  if (until === "loss") return;
  await mark(page, "restore-on").click();
  await mark(page, "into-new_database").waitFor();
}

test("restore by mouse: choose, lose, how, confirm by name, and its run", async () => {
  const page = await visit(opened);
  await restore(page, "choose");
  await judge(page, "restore-choose");
  await mark(page, "restore-on").click();
  await mark(page, "restore-dialog").getByText("Going back loses 56 minutes of work.").waitFor();
  const lost = mark(page, "loss-table");
  await lost.getByText("Known so far").waitFor();
  assert.equal(await lost.locator('[data-tone="unknown"]').count(), 1, "what could not be read is unknown");
  await judge(page, "restore-loss");
  const onward = await mark(page, "restore-on").boundingBox();
  await mark(page, "restore-on").click();
  assert.equal(await mark(page, "restore-on").getAttribute("aria-disabled"), "true", "no way is chosen for anybody");
  await judge(page, "restore-how");
  await mark(page, "into-target").check();
  await mark(page, "restore-on").click();
  const stake = mark(page, "restore-stake");
  for (const words of ["atelier on PostgreSQL 15.8", "In place, in one transaction", "1,538 new rows gone, 477 changes gone", "4 sessions", "taken first", "the full backup of"])
    await stake.getByText(words).first().waitFor();
  const act = mark(page, "restore-apply");
  assert.match(await act.textContent(), /^\s*Restore the deep backup of .* over production\s*$/);
  const danger = await act.boundingBox();
  assert.ok(danger.x + danger.width < onward.x, "the button that writes is not where the last one was");
  await judge(page, "restore-confirm");
  assert.equal(await act.getAttribute("aria-disabled"), "true");
  await mark(page, "confirm-tick").check();
  await mark(page, "confirm-name").fill("atelier-production");
  await act.click();
  await headline(page, "The backup is restored.");
  await page.getByText("kept in a backup that this run took first").waitFor();
  await judge(page, "restore-run-ended");
});

test("swapped: who is cut off, and what the old database is kept as", async () => {
  const page = await visit(opened);
  await restore(page, "how");
  await mark(page, "into-swap").check();
  await mark(page, "restore-on").click();
  const stake = mark(page, "restore-stake");
  for (const words of ["Beside it, then swapped", "Cut off", "4 sessions", "kept on the server as atelier_before_20261129_1402"])
    await stake.getByText(words).first().waitFor();
  const dialog = mark(page, "restore-dialog");
  await dialog.getByText("3 of web (user shop)").waitFor();
  await dialog.getByText("they stay in atelier_before_20261129_1402").waitFor();
  const act = mark(page, "restore-apply");
  assert.equal(await act.getAttribute("aria-disabled"), "true", "the rows that stay behind are ticked first");
  await judge(page, "restore-swap");
  await mark(page, "confirm-tick").check();
  await mark(page, "confirm-name").fill("atelier-production");
  await act.click();
  await headline(page, "The backup is restored.");
  await judge(page, "restored-swap");
  const swapped = page.url();
  await mark(page, "run-swap-back").click();
  await headline(page, "This makes atelier_before_20261129_1402 the database atelier again.");
  await judge(page, "swap-back-plan");
  await mark(page, "next-primary").getByText("Go back on production…").click();
  await judge(page, "swap-back-confirm");
  await mark(page, "confirm-tick").check();
  await mark(page, "confirm-name").fill("atelier-production");
  if ((await mark(page, "confirm-reason").count()) > 0) await mark(page, "confirm-reason").fill("The app reads old rows only");
  await mark(page, "confirm-apply").click();
  await headline(page, "The database from before has its name again.");
  await judge(page, "swapped-back");

  await page.goto(swapped);
  await mark(page, "run-beside").getByText("Add the old one as an environment").click();
  await page.waitForFunction(
    () => document.querySelector('[data-testid="banner-name"]')?.textContent === "atelier_before_20261129_1402",
  );
});

test("a new database beside the target is an environment with one press", async () => {
  const page = await visit(opened);
  await restore(page, "how");
  await mark(page, "into-new_database").check();
  await mark(page, "restore-name").fill("atelier_look");
  await mark(page, "restore-on").click();
  await mark(page, "confirm-name").fill("atelier-production");
  await mark(page, "restore-apply").click();
  await headline(page, "The backup is restored.");
  await judge(page, "restored-beside");
  await mark(page, "next-primary").getByText("Add it as an environment").click();
  await mark(page, "said").getByText("This is the environment atelier_look,").waitFor();
  assert.equal(await mark(page, "banner-name").textContent(), "atelier_look");
});

test("restore by keyboard: some tables or everything into a new database, Esc keeps all", async () => {
  const page = await visit(opened);
  await mark(page, "backup-restore").focus();
  await page.keyboard.press("Enter");
  assert.equal(await focusedOn(page, "testid"), "restore-everything");
  await page.keyboard.press("ArrowDown");
  assert.equal(await mark(page, "restore-on").getAttribute("aria-disabled"), "true");
  await mark(page, "tick-users").focus();
  await page.keyboard.press("Space");
  await mark(page, "tick-projects").focus();
  await page.keyboard.press("Space");
  await judge(page, "restore-tables");
  await page.keyboard.press("Enter");
  await mark(page, "loss-table").waitFor();
  assert.equal(await mark(page, "loss-table").locator("tbody tr").count(), 2);
  await mark(page, "restore-on").focus();
  await page.keyboard.press("Enter");
  await mark(page, "into-target").waitFor();
  assert.equal(await focusedOn(page, "testid"), "into-target");
  assert.ok(await mark(page, "into-swap").isDisabled(), "only everything can be swapped");
  await page.getByText("Tables that are not chosen are made and stay empty.").waitFor();
  await page.keyboard.press("ArrowUp");
  assert.ok(await mark(page, "into-new_database").isChecked());
  await judge(page, "restore-tables-new");
  await page.keyboard.press("ArrowDown");
  await mark(page, "restore-back").click();
  await mark(page, "restore-back").click();
  await mark(page, "restore-everything").focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Enter");
  await mark(page, "loss-table").waitFor();
  await mark(page, "restore-on").focus();
  await page.keyboard.press("Enter");
  await mark(page, "into-target").waitFor();
  await page.keyboard.press("ArrowUp");
  assert.ok(await mark(page, "into-new_database").isChecked());
  await mark(page, "restore-name").fill("atelier_look");
  await page.keyboard.press("Enter");
  await mark(page, "restore-stake").getByText("none needed").waitFor();
  assert.equal(await focusedOn(page, "testid"), "confirm-name");
  assert.match(await mark(page, "restore-apply").textContent(), /Restore the deep backup of .* into a new database atelier_look/);
  await mark(page, "restore-back").click();
  await mark(page, "into-new_database").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "restore-dialog").count(), 0);
  assert.equal(await focusedOn(page, "testid"), "backup-restore", "the focus is back");
});

test("some rows of one table, by key", async () => {
  const page = await visit(opened);
  await restore(page, "choose");
  await mark(page, "restore-rows").check();
  await mark(page, "restore-table").selectOption({ label: "users" });
  await mark(page, "restore-keys").fill("17\n18");
  await judge(page, "restore-rows");
  await mark(page, "restore-on").click();
  await mark(page, "loss-again").waitFor();
  await mark(page, "restore-on").click();
  await mark(page, "into-target").check();
  await mark(page, "restore-on").click();
  await mark(page, "restore-stake").getByText("2 rows of users").waitFor();
});

test("only some tables, from what would be lost", async () => {
  const page = await visit(opened);
  await restore(page, "loss");
  await mark(page, "restore-some").click();
  assert.ok(await mark(page, "restore-tables").isChecked());
});

test("a closed way says why, a closed gate stops it, a lost line leaves everything as it was", async () => {
  const closed = await visit(opened, { scenario: "restore-closed" });
  await restore(closed, "loss");
  await mark(closed, "obstacles").getByText("not in the backup").waitFor();
  await mark(closed, "restore-on").click();
  assert.ok(await mark(closed, "into-target").isDisabled());
  await judge(closed, "restore-closed");

  const gate = await visit(opened, { scenario: "restore-gate" });
  await restore(gate, "how");
  await mark(gate, "into-swap").check();
  await mark(gate, "restore-on").click();
  await mark(gate, "restore-closed").getByText("catalogue moved").waitFor();
  assert.equal(await mark(gate, "restore-apply").getAttribute("aria-disabled"), "true");
  await judge(gate, "restore-gate");

  const lost = await visit(opened, { scenario: "restore-fails" });
  await mark(lost, "backup-restore").click();
  await mark(lost, "restore-on").click();
  await mark(lost, "failure").getByText("Nothing was written.").waitFor();
  assert.equal(await mark(lost, "restore-on").getAttribute("aria-disabled"), "true");
  await judge(lost, "restore-fails");

  const slow = await visit(opened, { scenario: "restore-slow" });
  await mark(slow, "backup-restore").click();
  await mark(slow, "restore-on").click();
  await mark(slow, "restore-dialog").getByText("Comparing the backup with what is there").waitFor();
  await judge(slow, "restore-loading");
});

test("nothing to lose says so; what is not proven is told before anything else", async () => {
  const none = await visit(opened, { scenario: "restore-none" });
  await restore(none, "loss");
  await mark(none, "restore-dialog").getByText("Going back loses nothing.").waitFor();
  await judge(none, "restore-none");
  const unproven = await visit("#/environment/production/backup/b-unproven");
  await restore(unproven, "choose");
  await mark(unproven, "restore-dialog").getByText("It is not proven.").waitFor();
  const failed = await visit("#/environment/production/backup/b-failed", { scenario: "backups-states" });
  await restore(failed, "choose");
  await mark(failed, "restore-dialog").getByText("Its last proof failed.").waitFor();
  await judge(failed, "restore-failed-proof");
});

test("a backup of another database asks for the target's name", async () => {
  const page = await visit("#/environment/production/backup/b-nokey", { scenario: "backups-states" });
  await mark(page, "drawer").getByRole("button", { name: "Import its key" }).click();
  await mark(page, "key-import-file").click();
  await mark(page, "key-import-passphrase").fill("four words are enough");
  await mark(page, "keys-send").click();
  await mark(page, "keys-dialog").getByText("2 keys added.").waitFor();
  await mark(page, "keys-close").click();
  await restore(page, "choose");
  await mark(page, "restore-is-other").check();
  assert.equal(await mark(page, "restore-on").getAttribute("aria-disabled"), "true");
  await mark(page, "restore-other").fill("atelier-production");
  await judge(page, "restore-other");
  await mark(page, "restore-on").click();
  await mark(page, "loss-again").waitFor();
});
