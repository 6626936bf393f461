// Backups in the real window, in the sandbox, by mouse: a vault for the key, a backup that is proven, damage, a restore
// that tells what it loses, and migrations that are applied and rolled back.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { axe } from "../lib/demo.mjs";
import { Window, pause, repository } from "../lib/webdriver.mjs";

const pictures = join(repository, "target/backups");
const PASSPHRASE = "mossy lantern orbit forty two";
const mark = (name) => `[data-testid="${name}"]`;
const PRIMARY = `${mark("next-primary")}:not(:disabled):not([aria-disabled=true]):not([aria-busy=true])`;

let window;

before(async () => {
  await rm(pictures, { recursive: true, force: true });
  await mkdir(pictures, { recursive: true });
  window = await Window.open();
  await window.resize(1280, 720);
  await window.click(mark("first-start-sandbox"));
  await window.click(PRIMARY);
  await window.waitText(mark("headline"), /migration/i, 60);
});

after(() => window?.close());

/** Takes a picture and judges it. */
async function seen(name) {
  await window.screenshot(join(pictures, `${name}.png`));
  assert.deepEqual(await axe(window), [], `axe on ${name}`);
  const wide = await window.run("return document.documentElement.scrollWidth > innerWidth");
  assert.equal(wide, false, `${name} scrolls sideways`);
}

const primary = async () => {
  await window.wait(PRIMARY, { seconds: 60 });
  await window.click(PRIMARY);
};

/** Somebody else who changes rows meanwhile: psql on the sandbox's socket. */
function elsewhere(sql) {
  const folder = join(window.data, "sandbox");
  const name = createHash("sha256").update(folder).digest("hex").slice(0, 10);
  const shared = `/var/lib/drydock/sandbox-${name}/run`;
  const run = existsSync(shared) ? shared : join(folder, "run");
  const target = ["-h", run, "-U", "drydock", "-d", "harbor_production"];
  return execFileSync("psql", [...target, "-v", "ON_ERROR_STOP=1", "-At", "-c", sql], { encoding: "utf8" });
}

test("without a place for its key no backup is taken, and the panel says what to do first", async () => {
  await window.click(mark("panel-backups"));
  await window.waitText("body", /keeps no key|vault/i, 30);
  await seen("1-no-key");
  await window.click(mark("panel-settings"));
  await window.type(mark("vault-passphrase"), PASSPHRASE);
  await window.type(mark("vault-repeat"), PASSPHRASE);
  await window.click(mark("vault-create"));
  await window.waitText("body", /unlocked/i, 30);
  await seen("2-vault");
  await window.click(mark("rail-env-sandbox"));
});

test("a deep backup is taken and proven", async () => {
  await window.click(mark("panel-backups"));
  await window.waitText(mark("headline"), /no backup yet/i, 30);
  await primary();
  await window.wait(`${mark("take-start")}:not([aria-disabled=true])`, { seconds: 30 });
  await seen("3-take");
  await window.click(mark("take-start"));
  await window.waitText(mark("headline"), /proven|stored/i, 120);
  await seen("4-taken");
  await window.click(mark("panel-backups"));
  await window.waitText(mark("headline"), /newest full backup to trust/i, 30);
  await window.click(`${mark("backup-table")} tbody button`);
  await window.waitText("body", /Row hashes are the same/, 30);
  await seen("5-evidence");
});

test("a restore tells what it loses, and brings every row back", async () => {
  elsewhere("UPDATE users SET name = name || ' (changed)'; DELETE FROM sign_in_events");
  await window.click(mark("backup-restore"));
  await window.wait(mark("restore-steps"));
  await seen("6-choose");
  await window.click(mark("restore-on"));
  await window.waitText("body", /loses|lose/i, 60);
  await seen("7-loss");
  await window.click(mark("restore-on"));
  await window.click(mark("into-target"));
  await pause(300);
  await seen("8-how");
  await window.click(mark("restore-on"));
  await window.wait(mark("restore-stake"), { seconds: 60 });
  await window.run(`for (const tick of document.querySelectorAll('${mark("confirm-tick")}')) if (!tick.checked) tick.click()`);
  await seen("9-confirm");
  await window.click(`${mark("restore-apply")}:not([aria-disabled=true])`);
  await window.waitText("body", /Restored: \d+ tables|Succeeded/, 120);
  await seen("10-restored");
  const now = elsewhere("SELECT count(*) FILTER (WHERE name LIKE '%(changed)') || ' ' || (SELECT count(*) FROM sign_in_events) FROM users");
  assert.match(now, /\b0 4000\b/, "every row is as it was");
});

test("a migration is rolled back, and what it would lose is said before", async () => {
  await window.click(mark("panel-migrations"));
  await window.wait(mark("migrations-table"), { seconds: 30 });
  if ((await window.count(mark("unfold"))) > 0) await window.click(mark("unfold"));
  await window.run("[...document.querySelectorAll('[data-testid=migrations-table] tbody tr')].find((row) => row.textContent.includes('sign_in_events')).querySelector('button, a')?.click()");
  await window.click(mark("roll-back-one"));
  await window.waitText(mark("headline"), /ready for its dry run/i, 120);
  await seen("11-roll-back-plan");
  await primary();
  await window.waitText(mark("headline"), /worked/i, 120);
  await primary();
  await window.waitText(mark("headline"), /dry run worked/i, 60);
  await seen("12-roll-back-tried");
  await primary();
  await window.wait(mark("apply-dialog"));
  await window.run(`for (const tick of document.querySelectorAll('${mark("confirm-tick")}')) if (!tick.checked) tick.click()`);
  await seen("13-roll-back-confirm");
  await window.click(mark("confirm-apply"));
  await window.waitText("body", /rolled back; the ledger says so/i, 120);
  await seen("14-rolled-back");
  assert.match(elsewhere("SELECT to_regclass('sign_in_events') IS NULL"), /^t/, "what it made is gone");
});
