// Backups in the real window, in the sandbox, by mouse: a vault for the key, a backup that is proven, damage, a restore
// that tells what it loses, and migrations that are applied and rolled back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Sandbox, mark } from "../lib/sandbox.mjs";

let sandbox;
let window;

before(async () => {
  sandbox = await Sandbox.open("backups");
  ({ window } = sandbox);
});

after(() => sandbox?.close());

test("without a place for its key no backup is taken, and the panel says what to do first", async () => {
  await window.click(mark("panel-backups"));
  await window.waitText("body", /keeps no key|vault/i, 30);
  await sandbox.seen("no-key");
  await sandbox.makeVault();
  await sandbox.seen("vault");
  await window.click(mark("rail-env-sandbox"));
});

test("a deep backup is taken and proven", async () => {
  await window.click(mark("panel-backups"));
  await window.waitText(mark("headline"), /no backup yet/i, 30);
  await sandbox.next();
  await window.wait(`${mark("take-start")}:not([aria-disabled=true])`, { seconds: 30 });
  await sandbox.seen("take");
  await window.click(mark("take-start"));
  await window.waitText(mark("headline"), /proven|stored/i, 120);
  await sandbox.seen("taken");
  await window.click(mark("panel-backups"));
  await window.waitText(mark("headline"), /newest full backup to trust/i, 30);
  await window.click(`${mark("backup-table")} tbody button`);
  await window.waitText("body", /Row hashes are the same/, 30);
  await sandbox.seen("evidence");
});

/** Through the dialog of four steps, from a backup that is shown; `choose` says what is to be restored. */
async function restored(name, choose, lost) {
  await window.click(mark("backup-restore"));
  await window.wait(mark("restore-steps"));
  await choose();
  await sandbox.seen(`${name}-choose`);
  await window.click(mark("restore-on"));
  await window.wait(mark("loss-table"), { seconds: 60 });
  assert.match(await window.text(mark("loss-table")), lost, "what would be lost or come back is counted");
  await sandbox.seen(`${name}-loss`);
  await window.click(mark("restore-on"));
  await window.click(mark("into-target"));
  await window.wait(`${mark("into-target")}:checked`);
  await sandbox.seen(`${name}-how`);
  await window.click(mark("restore-on"));
  await window.wait(mark("restore-stake"), { seconds: 60 });
  await window.run(`for (const tick of document.querySelectorAll('${mark("confirm-tick")}')) if (!tick.checked) tick.click()`);
  await sandbox.seen(`${name}-confirm`);
  await window.click(mark("restore-apply"));
  await window.waitText("body", /Restored: |Succeeded/, 120);
  await sandbox.seen(`${name}-restored`);
}

/** The newest deep backup's evidence. */
async function evidence() {
  await window.click(mark("panel-backups"));
  await window.waitText(mark("headline"), /newest full backup to trust/i, 30);
  await window.run("[...document.querySelectorAll('[data-testid=backup-table] tbody tr')].find((row) => /Deep[^]*Proven/.test(row.textContent)).querySelector('button').click()");
  await window.waitText("body", /Row hashes are the same/, 30);
}

test("a restore tells what it loses, and brings every row back", async () => {
  sandbox.elsewhere("UPDATE users SET name = name || ' (changed)'; DELETE FROM sign_in_events");
  await restored("all", async () => {}, /sign_in_events[^]*4,000/);
  const now = sandbox.elsewhere("SELECT count(*) FILTER (WHERE name LIKE '%(changed)') || ' ' || (SELECT count(*) FROM sign_in_events) FROM users");
  assert.match(now, /\b0 4000\b/, "every row is as it was");
});

test("a table that somebody dropped comes back alone", async () => {
  sandbox.elsewhere("DROP TABLE sign_in_events CASCADE; UPDATE users SET name = 'stays' WHERE id = (SELECT min(id) FROM users)");
  await evidence();
  const choose = async () => {
    await window.click(mark("restore-tables"));
    await window.click(mark("tick-sign_in_events"));
  };
  await restored("table", choose, /sign_in_events[^]*4,000/);
  assert.match(sandbox.elsewhere("SELECT count(*) FROM sign_in_events"), /^4000/, "its rows are there");
  assert.match(sandbox.elsewhere("SELECT count(*) FROM users WHERE name = 'stays'"), /^1/, "no other table was touched");
});

test("one lost row comes back by its key", async () => {
  const id = sandbox.elsewhere("DELETE FROM sign_in_events WHERE id = (SELECT min(id) FROM sign_in_events) RETURNING id").split("\n")[0];
  await evidence();
  const choose = async () => {
    await window.click(mark("restore-rows"));
    await window.run(`const select = document.querySelector('${mark("restore-table")}'); select.value = [...select.options].find((each) => /sign_in_events/.test(each.textContent)).value; select.dispatchEvent(new Event('change', { bubbles: true }))`);
    await window.type(mark("restore-keys"), id);
  };
  await restored("row", choose, /sign_in_events/);
  assert.match(sandbox.elsewhere(`SELECT count(*) FROM sign_in_events WHERE id = '${id}'`), /^1/, "it is there again");
});

test("a migration is rolled back, and what it would lose is said before", async () => {
  await window.click(mark("panel-migrations"));
  await window.wait(mark("migrations-table"), { seconds: 30 });
  if ((await window.count(mark("unfold"))) > 0) await window.click(mark("unfold"));
  await window.run("[...document.querySelectorAll('[data-testid=migrations-table] tbody tr')].find((row) => row.textContent.includes('sign_in_events')).querySelector('button, a')?.click()");
  await window.click(mark("roll-back-one"));
  await window.waitText(mark("headline"), /ready for its dry run/i, 120);
  await sandbox.seen("roll-back-plan");
  await sandbox.next();
  await window.waitText(mark("headline"), /worked/i, 120);
  await sandbox.next();
  await window.waitText(mark("headline"), /dry run worked/i, 60);
  await sandbox.seen("roll-back-tried");
  await sandbox.next();
  await sandbox.tickAll();
  await sandbox.seen("roll-back-confirm");
  await sandbox.confirm();
  await window.waitText("body", /rolled back; the ledger says so/i, 120);
  await sandbox.seen("rolled-back");
  assert.match(sandbox.elsewhere("SELECT to_regclass('sign_in_events') IS NULL"), /^t/, "what it made is gone");
});

/** Through the dialog to the choice of a way, with everything of the newest deep backup or what is chosen of it. */
async function ways(choose) {
  await window.click(mark("panel-backups"));
  await window.waitText(mark("headline"), /backup/i, 30);
  await window.run("[...document.querySelectorAll('[data-testid=backup-table] tbody tr')].find((row) => /full|deep/i.test(row.textContent)).querySelector('button').click()");
  await window.wait(`${mark("backup-restore")}:not([aria-disabled=true])`, { seconds: 30 });
  await window.click(mark("backup-restore"));
  await window.wait(mark("restore-steps"));
  await choose?.();
  await window.click(mark("restore-on"));
  await window.wait(mark("loss-again"), { seconds: 60 });
  await window.click(`${mark("restore-on")}:not([aria-disabled=true])`);
}

test("a backup becomes a new database beside the one that is there, and an environment with one press", async () => {
  const before = sandbox.elsewhere("SELECT count(*) FROM pg_database");
  await ways();
  await window.click(mark("into-new_database"));
  await window.wait(mark("restore-name"));
  const name = await window.run(`return document.querySelector('${mark("restore-name")}').value`);
  assert.match(name, /_\d{8}_\d{4}$/, "a free name is offered");
  await sandbox.seen("beside-how");
  await window.click(mark("restore-on"));
  await window.waitText(mark("restore-stake"), /a new database/, 60);
  await sandbox.seen("beside-confirm");
  await window.click(`${mark("restore-apply")}:not([aria-disabled=true])`);
  await window.waitText("body", /make an environment for it/, 120);
  await sandbox.seen("beside-made");
  const made = sandbox.elsewhere(`SELECT count(*) FROM pg_database WHERE datname = '${name}'`);
  assert.match(made, /\b1\b/, "it has its name");
  assert.notEqual(sandbox.elsewhere("SELECT count(*) FROM pg_database"), before);
  await sandbox.next();
  await window.waitText(mark("said"), new RegExp(`This is the environment ${name}`), 30);
  await window.waitText(mark("headline"), /migration/i, 60);
  assert.equal(await window.text(mark("banner-name")), name, "one press leads into it");
  await sandbox.seen("beside-environment");
  await window.click(mark("rail-env-sandbox"));
});

test("some tables of a backup become a new database where the others are empty", async () => {
  await ways(async () => {
    await window.click(mark("restore-tables"));
    await window.click(mark("tick-users"));
  });
  await window.click(mark("into-new_database"));
  await window.wait(mark("restore-name"));
  const name = await window.run(`return document.querySelector('${mark("restore-name")}').value`);
  await window.waitText(mark("restore-dialog"), /Tables that are not chosen are made and stay empty/);
  await sandbox.seen("some-how");
  await window.click(mark("restore-on"));
  await window.waitText(mark("restore-stake"), /a new database/, 60);
  await sandbox.seen("some-confirm");
  await window.click(`${mark("restore-apply")}:not([aria-disabled=true])`);
  await window.waitText("body", /make an environment for it/, 120);
  await window.waitText("body", /1 table and [\d,]+ rows are as they were[^]*the other tables are empty/);
  await sandbox.seen("some-made");
  assert.match(sandbox.elsewhere(`SELECT count(*) FROM pg_database WHERE datname = '${name}'`), /\b1\b/, "it has its name");
});

test("a swap gives the name to the restored database, and is taken back by its button", async () => {
  sandbox.elsewhere("CREATE TABLE only_before (id int)");
  const numbers = "SELECT oid FROM pg_database WHERE datname = 'harbor_production'";
  const before = sandbox.elsewhere(numbers);
  await ways();
  await window.click(`${mark("into-swap")}:not(:disabled)`);
  await sandbox.seen("swap-how");
  await window.click(mark("restore-on"));
  await window.waitText(mark("restore-stake"), /kept/, 60);
  await window.run(`for (const tick of document.querySelectorAll('${mark("confirm-tick")}')) if (!tick.checked) tick.click()`);
  await sandbox.seen("swap-confirm");
  await window.click(`${mark("restore-apply")}:not([aria-disabled=true])`);
  await window.waitText("body", /take the swap back/i, 120);
  await sandbox.seen("swapped");
  assert.notEqual(sandbox.elsewhere(numbers), before, "another database has the name");
  assert.match(sandbox.elsewhere("SELECT to_regclass('only_before') IS NULL"), /^t/);

  await window.click(`${mark("run-swap-back")}:not([aria-disabled=true])`);
  await window.waitText(mark("headline"), /This makes .*_before_\d{8}_\d{4} the database harbor_production again/, 60);
  await sandbox.seen("swap-back-plan");
  await sandbox.next();
  await sandbox.tickAll();
  await sandbox.seen("swap-back-confirm");
  await sandbox.confirm();
  await window.waitText(mark("headline"), /The database from before has its name again/, 60);
  await sandbox.seen("swapped-back");
  assert.equal(sandbox.elsewhere(numbers), before, "it is the one from before, by its number");
  assert.match(sandbox.elsewhere("SELECT to_regclass('only_before') IS NULL"), /^f/);
});
