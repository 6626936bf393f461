// A dump that somebody else took, in the real window: made by pg_dump beside it, imported by mouse, proven, and restored
// over damage after the target's name was typed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Sandbox, mark } from "../lib/sandbox.mjs";
import { repository } from "../lib/webdriver.mjs";

let sandbox;
let window;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "drydock-import-"));
  sandbox = await Sandbox.open("import");
  ({ window } = sandbox);
  await sandbox.makeVault();
  await window.click(mark("rail-env-sandbox"));
  await window.click(mark("panel-backups"));
  await window.waitText(mark("headline"), /no backup yet/i, 30);
});

after(async () => {
  await sandbox?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Dumps the sandbox's database by the toolkit's own program, as a night job would. */
function dump(name, ...how) {
  const file = join(folder, name);
  const processor = process.arch === "arm64" ? "arm64" : "x64";
  const program = join(repository, "target", "toolkit", `linux-${processor}`, "bin", "pg_dump");
  assert.ok(existsSync(program), `${program} is there`);
  execFileSync(program, [...how, `--file=${file}`, "-h", sandbox.socket, "-U", "drydock", "-d", "harbor_production"]);
  return file;
}

async function choose(path) {
  if ((await window.count(mark("import-dialog"))) === 0) await window.click(mark("import-dump"));
  await window.wait(mark("import-path"), { seconds: 30 });
  await window.run(`const field = document.querySelector('${mark("import-path")}'); field.value = ""; field.dispatchEvent(new Event("input", { bubbles: true }))`);
  await window.type(mark("import-path"), path);
}

test("what is no dump, or more than one, is refused in words before anything starts", async () => {
  const evil = join(folder, "evil.sql");
  writeFileSync(evil, `--\n-- PostgreSQL database dump\n--\n\n\\! touch ${join(folder, "touched")}\n`);
  await choose(evil);
  await window.waitText(mark("import-refusals"), /Line 5 of the dump holds a command for psql/, 30);
  await sandbox.seen("refused");
  assert.equal(existsSync(join(folder, "touched")), false, "it was not run");
});

test("an archive is previewed, imported and proven", async () => {
  await choose(dump("nightly.dump", "-Fc"));
  await window.waitText(mark("import-preview"), /of the database harbor_production/, 30);
  await sandbox.seen("preview");
  await window.click(`${mark("import-start")}:not([aria-disabled=true])`);
  await window.waitText(mark("headline"), /imported and proven/i, 180);
  await sandbox.seen("imported");
  await window.click(mark("next-primary"));
  await window.waitText("body", /imported from nightly\.dump/, 30);
  await window.waitText("body", /Row hashes are the same/, 30);
  assert.match(await window.text(mark("headline")), /No full backup of this database is proven yet/i, "an import is not what the panel counts on");
  await sandbox.seen("evidence");
});

test("restored over damage after the target's name was typed", async () => {
  const before = sandbox.elsewhere("SELECT count(*) || ' ' || sum(hashtext(u::text)) FROM users u");
  sandbox.elsewhere("UPDATE users SET name = name || ' (changed)'; DELETE FROM sign_in_events");
  await window.click(mark("backup-restore"));
  await window.wait(mark("restore-steps"));
  await sandbox.seen("choose");
  await window.wait(mark("restore-unknown"));
  await window.type(mark("restore-other"), "sandbox");
  await sandbox.seen("typed");
  await window.click(mark("restore-on"));
  await window.waitText("body", /Going back to nightly\.dump loses/i, 60);
  await sandbox.seen("loss");
  await window.click(mark("restore-on"));
  await window.click(mark("into-target"));
  await window.click(mark("restore-on"));
  await window.wait(mark("restore-stake"), { seconds: 60 });
  await window.run(`for (const tick of document.querySelectorAll('${mark("confirm-tick")}')) if (!tick.checked) tick.click()`);
  assert.doesNotMatch(await window.text("body"), /Have to wait|Cut off/i, "nobody but this window is connected");
  await sandbox.seen("confirm");
  await window.click(`${mark("restore-apply")}:not([aria-disabled=true])`);
  await window.waitText("body", /Restored: \d+ tables|Succeeded/, 120);
  await sandbox.seen("restored");
  assert.equal(sandbox.elsewhere("SELECT count(*) || ' ' || sum(hashtext(u::text)) FROM users u"), before, "every row is as it was");
  assert.match(sandbox.elsewhere("SELECT count(*) FROM sign_in_events"), /^4000/);
});
