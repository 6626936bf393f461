// The release desk in the real window, in the sandbox, by clicking only: the story of a broken migration and of the one
// that makes what it alters, on an environment as careful as production.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PRIMARY, Sandbox, mark } from "../lib/sandbox.mjs";
import { pause } from "../lib/webdriver.mjs";

let sandbox;
let window;

before(async () => {
  sandbox = await Sandbox.open("desk");
  ({ window } = sandbox);
});

after(() => sandbox?.close());

const says = async () => (await window.text(PRIMARY).catch(() => "")).replace(/\s+/g, " ");

const state = (item) => window.run("return document.querySelector(`[data-testid=\"item-${arguments[0]}\"]`)?.dataset.state ?? null", item);

/** The button lies below the fold, where a driver does not scroll to the end. */
const readAgain = () => window.run(`document.querySelector('${mark("desk-read")}').click()`);

/** Presses the next button until it says this; people say what they are asked. */
async function until(words, seconds = 240) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    await window.wait(PRIMARY, { seconds: 120 });
    const said = await says();
    if (words.test(said)) return;
    assert.ok(Date.now() < deadline, `it never said ${words}; it says: ${said} / ${await window.text(mark("headline"))}`);
    if (/Watch the run|Open the run/.test(said)) {
      await pause(500);
      continue;
    }
    const before = await window.text(mark("next-bar"));
    await window.click(PRIMARY);
    if (/Say it is so/.test(said)) {
      await window.wait(mark("say-confirm"));
      if ((await window.run(`return document.querySelector('${mark("say-name")}').value`)) === "") await window.type(mark("say-name"), "Ana");
      await window.click(mark("say-confirm"));
      await window.wait(mark("say-confirm"), { gone: true });
    }
    while (Date.now() < deadline && (await window.text(mark("next-bar"))) === before) await pause(200);
  }
}

/** Opens the evidence of a migration by a part of its name. */
async function openMigration(name) {
  await window.click(mark("panel-migrations"));
  await window.wait(mark("migrations-table"), { seconds: 30 });
  if ((await window.count(mark("unfold"))) > 0) await window.click(mark("unfold"));
  await window.click(`[data-row$="${name}"]`);
  await window.wait(mark("roll-back"), { seconds: 30 });
}

/** From the plan of a roll back, as it opens, to its end. */
async function rolledBack(name) {
  await window.waitText(mark("headline"), /ready for its dry run/i, 180);
  await window.wait(mark("roll-back-goes"));
  await sandbox.seen(`roll-back-${name}`);
  await sandbox.next();
  await window.waitText(mark("headline"), /worked/i, 120);
  await sandbox.next();
  await window.waitText(mark("headline"), /dry run worked/i, 60);
  await sandbox.seen(`roll-back-${name}-tried`);
  await sandbox.next();
  await sandbox.tickAll("going back, nothing to keep");
  await sandbox.confirm();
  await window.waitText("body", /rolled back; the ledger says so/i, 120);
}

test("an environment that asks for a restore point, and a vault for the backup's key", async () => {
  await sandbox.makeVault();
  await window.click(mark("rail-env-sandbox"));
  await window.click(mark("banner-edit"));
  await window.wait("input[id$='-restore']", { seconds: 30 });
  await window.click("input[id$='-restore']");
  await sandbox.next();
  await window.waitText("body", /saved|Saved/, 30);
});

test("the desk stays shut over the broken migration and leads to its repair", async () => {
  await window.click(mark("rail-env-sandbox"));
  await window.click(mark("panel-release-desk"));
  await window.waitText(mark("headline"), /./, 30);
  await sandbox.seen("no-release");
  await sandbox.next();
  await window.wait(mark("stages"), { seconds: 60 });
  await until(/Open the migrations/);
  assert.equal(await state("pre-deploy/files-and-ledger"), "block");
  assert.match(await window.text(mark("headline")), /mascot_pose_split.*failed/i);
  await sandbox.seen("broken-migration");
  await sandbox.next();
  await window.wait(mark("migrations-table"), { seconds: 30 });
  await sandbox.next();
  await window.waitText(mark("headline"), /statement|failed|left/i, 60);
  await sandbox.seen("repair");
  // The repair's own plan: taken back, tried, applied.
  await sandbox.next();
  for (let turn = 0; turn < 6; turn += 1) {
    await window.wait(`${PRIMARY}, ${mark("apply-dialog")}`, { seconds: 120 });
    if ((await window.count(mark("apply-dialog"))) > 0) break;
    await sandbox.next();
    await pause(800);
  }
  await sandbox.tickAll("only its own column goes");
  await sandbox.confirm();
  await window.waitText("body", /Succeeded|rolled back/i, 120);
});

test("one button leads through plan, dry run, backup and proof; what moves meanwhile un-ticks itself", async () => {
  await window.click(mark("panel-release-desk"));
  await window.wait(mark("stages"), { seconds: 60 });
  await until(/Make the plan/);
  await sandbox.seen("planning");
  await until(/Dry run/);
  await sandbox.seen("dry-run");
  await until(/Back up and prove/);
  await sandbox.seen("back-up");
  await until(/^Apply/);
  await sandbox.seen("ready");
  sandbox.elsewhere("CREATE INDEX sneaked ON users (name)");
  await readAgain();
  await window.waitText(mark("headline"), /moved since the plan/i, 30);
  assert.equal(await state("deploy/plan-fits"), "block");
  await sandbox.seen("moved");
  sandbox.elsewhere("DROP INDEX sneaked");
  await readAgain();
  await window.waitText(PRIMARY, /Apply/, 30);
});

test("a freeze shuts it, says who and why, and is lifted", async () => {
  await window.click(mark("banner-freeze"));
  await window.type(mark("freeze-why"), "support asked to wait");
  await sandbox.seen("freeze");
  await window.click(mark("confirm-freeze"));
  await window.waitText(PRIMARY, /Lift the freeze/, 30);
  assert.equal(await state("pre-deploy/writes-open"), "block");
  await sandbox.seen("frozen");
  await sandbox.next();
  await window.click(mark("confirm-lift"));
  await window.waitText(PRIMARY, /Apply/, 30);
});

test("it is applied, verified, watched, and put away; all of it can be rolled back", async () => {
  await sandbox.next();
  await sandbox.tickAll();
  await sandbox.seen("confirm");
  await sandbox.confirm();
  await until(/Compare the schema|Say it is so|Verify/);
  await sandbox.seen("applied");
  assert.match(sandbox.elsewhere("SELECT count(*) FROM pg_tables WHERE tablename ~ '^(mascot|pose)'"), /^1\d/, "the 13 tables are there");
  await until(/Read again/);
  assert.match(await window.text(mark("headline")), /^The watch goes on for \d min/);
  await sandbox.seen("watch");
  await window.click(mark("evidence-deploy/applied")).catch(async () => {
    await window.click(mark("open-apply"));
    await window.click(mark("evidence-deploy/applied"));
  });
  await window.waitText("body", /Roll back these migrations/, 60);
  // Part of it first: the newest migration alone. Its indexes go, the tables stay.
  await openMigration("performance_indexes");
  await window.click(mark("roll-back-one"));
  await rolledBack("partly");
  assert.match(sandbox.elsewhere("SELECT to_regclass('\"mascots_projectId_createdAt_idx\"') IS NULL"), /^t/, "what it made is gone");
  assert.match(sandbox.elsewhere("SELECT count(*) FROM pg_tables WHERE tablename ~ '^(mascot|pose)'"), /^1\d/, "the others stay");
  // Then the one that made the 13 tables, with all that came after it.
  await openMigration("add_mascot_studio_complete");
  await window.click(mark("roll-back-later"));
  await rolledBack("wholly");
  assert.match(sandbox.elsewhere("SELECT count(*) FROM pg_tables WHERE tablename ~ '^(mascot|pose)'"), /^0/, "what they made is gone");
  await window.click(mark("run-report"));
  assert.match(await window.waitText(mark("report-text"), /rolled back on/, 30), /applies them again[\s\S]*add_mascot_studio_complete\/`/);
  await sandbox.seen("report");
  await window.click(mark("report-close"));
  // The desk does not go on as if nothing had happened.
  await window.click(mark("panel-release-desk"));
  await window.waitText(mark("headline"), /not applied in the ledger/i, 60);
  await sandbox.seen("rolled-back");
  await window.click(mark("put-away"));
  await window.type(mark("put-away-reason"), "rolled back on purpose");
  await window.click(mark("confirm-put-away"));
  await window.wait(mark("desk-empty"), { seconds: 30 });
  await sandbox.seen("put-away");
});
