import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, noSidewaysScroll, openWindow, small } from "./window.mjs";

const visit = await openWindow(after);
const place = "#/environment/production/desk";

const ticks = (page, of = "stages") =>
  mark(page, of)
    .locator(":scope > li, ul > li")
    .evaluateAll((lines) =>
      Object.fromEntries(
        lines
          .filter((line) => line.dataset.state !== undefined)
          .map((line) => [
            line.dataset.testid,
            [line.dataset.state, line.querySelector("[data-tick]").dataset.tick],
          ]),
      ),
    );
const stage = async (page, name) => (await ticks(page))[`stage-${name}`];
const item = (page, id) => mark(page, `item-${id}`);
const open = (page, name) => mark(page, `open-${name}`);
const isOpen = async (page, name) => (await open(page, name).getAttribute("aria-expanded")) === "true";
const hash = (page) => page.evaluate(() => location.hash);

/** Says the item that is asked next. */
async function say(page, note = "") {
  await mark(page, "next-primary").click();
  await mark(page, "say-dialog").waitFor();
  if (note !== "") await mark(page, "say-note").fill(note);
  await mark(page, "say-confirm").click();
  await mark(page, "say-dialog").waitFor({ state: "detached" });
}

/** From an empty desk to the plan that somebody has read. */
async function planned(page) {
  await headline(page, "No release is on the desk.");
  await mark(page, "next-primary").click();
  await headline(page, "The live schema was never compared");
  await mark(page, "next-primary").click();
  await headline(page, "A person has to say: the team knows");
  await say(page, "Support is on duty until 18:00");
  await headline(page, "A person has to say: the code");
  await say(page);
  await headline(page, "The place is ready. Make the plan.");
  await mark(page, "next-primary").click();
  await headline(page, "A person has to say: somebody has read the plan");
  await say(page);
  await headline(page, "The plan is ready. Try it.");
}

async function confirm(page) {
  await mark(page, "apply-dialog").waitFor();
  for (const tick of await mark(page, "confirm-tick").all()) await tick.check();
  await mark(page, "confirm-name").fill("atelier-production");
}

test("the whole desk by mouse: from the first look to the end of the watch", async () => {
  const page = await visit("#/environment/production/overview", { scenario: "desk" });
  await page.clock.install();
  await mark(page, "panel-release-desk").click();
  await headline(page, "4 migrations wait for atelier-production. No release is on the desk.");
  await mark(page, "desk-empty").getByText("Nothing can be applied before the first four are through.").waitFor();
  assert.equal(await mark(page, "earlier").locator("tbody tr").count(), 3);
  await judge(page, "desk-empty");
  await mark(page, "next-primary").click();

  await headline(page, "The live schema was never compared");
  assert.deepEqual(await stage(page, "prepare"), ["unknown", "unknown"]);
  assert.equal(await isOpen(page, "prepare"), true, "the stage whose turn it is stands open");
  await judge(page, "desk-prepare");
  await mark(page, "next-primary").click();
  await headline(page, "A person has to say: the team knows");
  await say(page, "Support is on duty until 18:00");
  await headline(page, "A person has to say: the code");
  await say(page);
  await headline(page, "The place is ready. Make the plan.");
  assert.deepEqual(await stage(page, "prepare"), ["pass", "on"]);
  assert.equal(await isOpen(page, "prepare"), false, "a stage that is through is one line");

  await mark(page, "next-primary").click();
  await headline(page, "A person has to say: somebody has read the plan");
  await mark(page, "gates").getByText("Apply is locked by").waitFor();
  await judge(page, "desk-plan");
  await say(page);

  await headline(page, "The plan is ready. Try it.");
  await mark(page, "next-primary").click();
  await headline(page, "tries it now.");
  assert.deepEqual(await stage(page, "dry_run"), ["running", "empty"], "what is at work is not ticked");
  await page.clock.runFor(2500);
  await headline(page, "The backup is older than the plan. Take a new one.");
  assert.equal(await hash(page), place, "one stays on the desk");
  assert.deepEqual(await stage(page, "dry_run"), ["pass", "on"]);

  await mark(page, "next-primary").click();
  await headline(page, "Take a deep backup");
  await judge(page, "desk-back-up");
  await page.clock.runFor(5000);
  await headline(page, "Everything before it is ticked. It can be applied.");
  await mark(page, "gates").getByText("All 6 gates pass").waitFor();
  await judge(page, "desk-apply");

  await mark(page, "next-primary").click();
  await confirm(page);
  assert.equal(await mark(page, "confirm-reason").count(), 0, "a proven backup needs no reason");
  await mark(page, "confirm-apply").click();
  await headline(page, "applies it now.");
  assert.equal(await hash(page), place);
  await mark(page, "banner-writes").getByText("Open").waitFor();
  await page.clock.runFor(5000);
  await headline(page, "Not compared since the apply.");
  await mark(page, "gates").getByText("Applied at").waitFor();
  await judge(page, "desk-verify");
  assert.equal(await mark(page, "unsay-pre-deploy/team-told").count(), 0, "what went before is closed");
  await mark(page, "next-primary").click();
  await headline(page, "Not read since the apply.");
  await mark(page, "next-primary").click();
  await mark(page, "said").getByText("Checks that write to the app were left out").waitFor();
  await headline(page, "A person has to say: the app runs the code");
  await say(page, "Restarted at 14:55");

  await headline(page, "5 minutes: no new errors");
  assert.equal(await mark(page, "say-post-deploy/logs-5").count(), 0, "its time has not come");
  assert.equal((await ticks(page))["item-post-deploy/logs-5"][1], "locked");
  assert.match(await mark(page, "from-post-deploy/logs-5").textContent(), /^from \d\d:\d\d, in 4:\d\d$/);
  await mark(page, "watch").getByText("in 4:").waitFor();
  await judge(page, "desk-watch");
  await page.clock.fastForward("05:00");
  await headline(page, "A person has to say: 5 minutes");
  await say(page);
  await page.clock.fastForward("30:00");
  await headline(page, "A person has to say: 30 minutes");
  await say(page);
  await headline(page, "A person has to say: the team knows how it went");
  await say(page);
  await headline(page, "The release is through.");
  await judge(page, "desk-through");
  await mark(page, "next-primary").click();
  await headline(page, "No release is on the desk, and no migration waits.");
  assert.match(await mark(page, "earlier").locator("tbody tr").first().textContent(), /12.*Through/);
});

test("by keyboard alone: Enter presses next, and stages open", async () => {
  const page = await visit("#/environment/production/overview", { scenario: "desk" });
  await page.keyboard.press("7");
  await headline(page, "No release is on the desk.");
  await page.keyboard.press("Enter");
  await headline(page, "The live schema was never compared");
  await page.keyboard.press("Enter");
  for (const words of ["the team knows", "the code", "somebody has read"]) {
    await headline(page, words === "somebody has read" ? "The place is ready" : `A person has to say: ${words}`);
    if (words === "somebody has read") {
      await page.keyboard.press("Enter");
      await headline(page, `A person has to say: ${words}`);
    }
    await page.keyboard.press("Enter");
    await mark(page, "say-dialog").waitFor();
    assert.equal(await mark(page, "say-name").inputValue(), "Ines Okafor");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "say-note");
    await page.keyboard.type("seen");
    await page.keyboard.press("Enter");
    await mark(page, "say-dialog").waitFor({ state: "detached" });
  }
  await headline(page, "The plan is ready. Try it.");
  await page.keyboard.press("Enter");
  await headline(page, "The backup is older than the plan.");
  await page.keyboard.press("Enter");
  await headline(page, "Everything before it is ticked.");
  await open(page, "watch").focus();
  await page.keyboard.press("Enter");
  assert.equal(await isOpen(page, "watch"), true, "Enter on a stage opens it");
  assert.equal(await mark(page, "apply-dialog").count(), 0, "and presses nothing else");
  await page.keyboard.press("Space");
  assert.equal(await isOpen(page, "watch"), false);
  await mark(page, "headline").focus();
  await page.keyboard.press("Enter");
  await mark(page, "apply-dialog").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "apply-dialog").count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "headline", "the focus is kept");
});

test("unknown is never ticked, and the next step is to find out", async () => {
  const page = await visit(place, { scenario: "desk-unknown" });
  await headline(page, "The connection was lost");
  const all = await ticks(page);
  const unknown = Object.entries(all).filter(([, [state]]) => state === "unknown");
  assert.ok(unknown.length >= 4, `${unknown.length} are unknown`);
  for (const [name, [, tick]] of unknown) assert.equal(tick, "unknown", name);
  for (const [name, [state, tick]] of Object.entries(all))
    if (tick === "on" || tick === "warn") assert.match(state, /^(pass|warn)$/, name);
  assert.equal(await item(page, "pre-deploy/connection").locator('[data-tone="pass"]').count(), 0);
  await judge(page, "desk-unknown");
  await mark(page, "next-primary").click();
  assert.match(await hash(page), /doctor$/);
});

test("what could not be read again is old, and passes nothing", async () => {
  const page = await visit(place, { scenario: "again" });
  await headline(page, "No release is on the desk.");
  await mark(page, "next-primary").click();
  await mark(page, "stages").waitFor();
  await mark(page, "desk-read").click();
  await page.getByText("It could not be read again.").waitFor();
  assert.equal(await page.locator('main [data-tone="pass"], main [data-tick="on"]').count(), 0);
  assert.equal(await mark(page, "next-title").textContent(), "Read it again before you do anything else.");
  await judge(page, "desk-old");
});

test("the backup is older than the plan: the picture of the design", async () => {
  const page = await visit(place, { scenario: "desk-blocked" });
  await headline(page, "The backup is older than the plan. Take a new one.");
  assert.deepEqual((await ticks(page))["item-deploy/backup-newer"], ["block", "empty"]);
  assert.deepEqual((await ticks(page))["item-deploy/backup-covers"], ["unknown", "unknown"]);
  assert.deepEqual(await stage(page, "apply"), ["locked", "locked"]);
  await judge(page, "desk-blocked");
  await mark(page, "evidence-deploy/backup-newer").click();
  assert.match(await hash(page), /backup\/b-/, "the evidence is one press away");
  await page.goBack();
  await open(page, "prepare").click();
  assert.equal(await isOpen(page, "prepare"), true);
  assert.equal(await isOpen(page, "back_up"), true, "opening one closes none");
  await mark(page, "said-pre-deploy/team-told").getByText("Support is on duty until 18:00").waitFor();
  await judge(page, "desk-opened");
  await mark(page, "show-plan").click();
  assert.match(await hash(page), /plan\/plan-/);
  assert.match(await mark(page, "to-desk").textContent(), /Open it on the release desk/);
  await mark(page, "to-desk").click();
  await headline(page, "The backup is older than the plan.");
});

test("a person's item: said by name with a note, taken back", async () => {
  const page = await visit(place, { scenario: "desk" });
  await mark(page, "next-primary").click();
  await mark(page, "stages").waitFor();
  await mark(page, "say-pre-deploy/team-told").click();
  await mark(page, "say-name").fill("   ");
  assert.equal(await mark(page, "say-confirm").getAttribute("aria-disabled"), "true", "nobody is no one");
  await mark(page, "say-name").fill("Mara Lind");
  await mark(page, "say-note").fill("Told in the <b>channel</b>");
  await judge(page, "desk-say");
  await mark(page, "say-confirm").click();
  const said = mark(page, "said-pre-deploy/team-told");
  assert.match(
    (await said.textContent()).replace(/\s+/g, " "),
    /Said by Mara Lind at \d\d:\d\d: Told in the <b>channel<\/b>/,
  );
  assert.deepEqual((await ticks(page))["item-pre-deploy/team-told"], ["pass", "on"]);
  await mark(page, "unsay-pre-deploy/team-told").click();
  await mark(page, "say-pre-deploy/team-told").waitFor();
  assert.deepEqual((await ticks(page))["item-pre-deploy/team-told"], ["waiting", "empty"]);
});

test("frozen: shown on every panel, locks the desk, lifted by the typed name", async () => {
  const page = await visit("#/environment/production/overview", { scenario: "desk-frozen" });
  for (const panel of ["desk", "migrations", "drift", "seeds", "backups", "verification", "runs", "overview"]) {
    await page.evaluate((to) => (location.hash = `#/environment/production/${to}`), panel);
    await mark(page, "banner-writes").getByText("Frozen").waitFor();
  }
  const fact = mark(page, "banner-writes").locator("dd");
  assert.match(await fact.getAttribute("title"), /Mara Lind: The provider works on the disks until 06:00 Since/);
  await page.evaluate(() => (location.hash = "#/environment/production/desk"));
  await mark(page, "next-primary").click();
  await headline(page, "Writes are frozen by Mara Lind");
  assert.deepEqual((await ticks(page))["item-pre-deploy/writes-open"], ["block", "empty"]);
  await judge(page, "desk-frozen");
  await mark(page, "next-primary").click();
  await mark(page, "lift-dialog").getByText("The provider works on the disks until 06:00").waitFor();
  await judge(page, "lift");
  assert.equal(await mark(page, "confirm-lift").getAttribute("aria-disabled"), "true");
  await mark(page, "lift-name").fill("atelier-production");
  await mark(page, "confirm-lift").click();
  await headline(page, "A person has to say: the team knows");
  await mark(page, "banner-writes").getByText("Locked").waitFor();
  assert.deepEqual((await ticks(page))["item-pre-deploy/writes-open"], ["pass", "on"]);
});

test("freezing from the banner: here or everywhere, with a reason; what goes on is said", async () => {
  const page = await visit("#/environment/staging/migrations", { scenario: "desk" });
  await mark(page, "banner-freeze").click();
  const dialog = mark(page, "freeze-dialog");
  await dialog.getByText("backups and their proofs").waitFor();
  await dialog.getByText("goes on to its end, or until you cancel it").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "freeze-why");
  await mark(page, "freeze-why").fill("abc");
  assert.equal(await mark(page, "confirm-freeze").getAttribute("aria-disabled"), "true");
  assert.match(await mark(page, "confirm-freeze").textContent(), /Freeze writes on atelier-staging/);
  await mark(page, "freeze-everywhere").check();
  await mark(page, "freeze-why").fill("Disks are moved until 06:00");
  await judge(page, "freeze");
  assert.match(await mark(page, "confirm-freeze").textContent(), /Freeze writes everywhere/);
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await mark(page, "rail-env-atelier-production").click();
  await mark(page, "banner-writes").getByText("Frozen").waitFor();
  await page.setViewportSize({ width: 990, height: 720 });
  assert.equal(await mark(page, "banner-freeze").locator(".words").isVisible(), false);
  assert.equal(await mark(page, "banner-freeze").getAttribute("aria-label"), "Lift… the freeze everywhere");
  await noSidewaysScroll(page);
  await page.setViewportSize(small);
  await mark(page, "banner-freeze").click();
  await mark(page, "lift-name").fill("everywhere");
  await page.keyboard.press("Enter");
  await mark(page, "banner-writes").getByText("Locked").waitFor();
});

test("a frozen plan is not tried; the failure leads to the freeze", async () => {
  const page = await visit(place, { scenario: "desk" });
  await planned(page);
  await mark(page, "show-plan").click();
  await headline(page, "It has not been tried yet.");
  await mark(page, "banner-freeze").click();
  await mark(page, "freeze-why").fill("The provider works on the disks");
  await mark(page, "confirm-freeze").click();
  await mark(page, "next-primary").click();
  await mark(page, "failure").getByText("DRY-1231").waitFor();
  await mark(page, "failure-action").click();
  await mark(page, "lift-dialog").waitFor();
});

test("put away: with a reason; what stays is said, and it stands in the list", async () => {
  const page = await visit(place, { scenario: "desk-blocked" });
  await mark(page, "put-away").click();
  await mark(page, "put-away-dialog").getByText("its plan, its runs, its backups").waitFor();
  await mark(page, "put-away-reason").fill("too late");
  await mark(page, "put-away-reason").fill("short");
  assert.equal(await mark(page, "confirm-put-away").getAttribute("aria-disabled"), "true");
  await judge(page, "desk-put-away");
  await mark(page, "put-away-reason").fill("The window is over, again tomorrow");
  await mark(page, "confirm-put-away").click();
  await headline(page, "No release is on the desk.");
  assert.match(
    await mark(page, "earlier").locator("tbody tr").first().textContent(),
    /Put away: The window is over, again tomorrow/,
  );
});

test("a plan that was made elsewhere comes to the desk; a second release is refused", async () => {
  const page = await visit("#/environment/staging/migrations");
  await headline(page, "migrations are waiting");
  await mark(page, "next-primary").click();
  await headline(page, "It has not been tried yet.");
  await judge(page, "plan-to-desk");
  await mark(page, "to-desk").click();
  await headline(page, "The live schema was never compared");
  assert.match(await hash(page), /staging\/desk$/);
  await mark(page, "show-plan").waitFor();
  await page.evaluate(() => (location.hash = "#/environment/staging/migrations"));
  await headline(page, "migrations are waiting");
  await mark(page, "next-primary").click();
  await headline(page, "It has not been tried yet.");
  await mark(page, "to-desk").click();
  await mark(page, "failure").getByText("A release is on the desk already.").waitFor();
  await mark(page, "failure-action").click();
  await mark(page, "stages").waitFor();
});

test("loading and errors", async () => {
  const slow = await visit(place, { scenario: "slow" });
  await mark(slow, "loading").waitFor();
  await judge(slow, "desk-loading");
  const broken = await visit(place, { scenario: "broken" });
  await headline(broken, "The desk could not be read.");
  await mark(broken, "failure").getByText("The connection was lost").waitFor();
  await judge(broken, "desk-error");
});
