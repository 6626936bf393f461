// Each bundled profile in the real window, in the sandbox: form, rows that would change, apply, checks, undo.
// By mouse, and again by keyboard alone.
import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { axe } from "../lib/demo.mjs";
import { KEY, Window, repository } from "../lib/webdriver.mjs";

const pictures = join(repository, "target/seeds");
const PASSWORD = "mossy-lantern-42-orbit";
const mark = (name) => `[data-testid="${name}"]`;
const PRIMARY = `${mark("next-primary")}:not(:disabled):not([aria-disabled=true]):not([aria-busy=true])`;

const PROFILES = [
  {
    title: "Production baseline",
    rows: /add 23 rows/,
    fill: async (window, keyboard) => {
      const answers = {
        "input-admin_name": "Ada Harbour",
        "input-admin_email": "ada@atelier.io",
        "input-admin_password": PASSWORD,
        "input-admin_password-repeat": PASSWORD,
      };
      for (const [field, text] of Object.entries(answers)) {
        if (keyboard) {
          await reach(field);
          await window.press(KEY.control, "a");
          for (const letter of text) await window.press(letter);
        } else await window.type(mark(field), text);
      }
      await window.press(KEY.tab);
      await window.waitText(mark("input-admin_password-strength"), /hard to guess/i);
    },
  },
  { title: "AI models", rows: /add 5 rows/ },
  { title: "ERP, light", rows: /add 364 rows/ },
  { title: "ERP, full size", rows: /add 1,?080 rows/ },
];

let window;

before(async () => {
  await rm(pictures, { recursive: true, force: true });
  await mkdir(pictures, { recursive: true });
  window = await Window.open({ environment: { XDG_DOWNLOAD_DIR: pictures } });
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

const primary = async (keyboard) => {
  await window.wait(PRIMARY, { seconds: 60 });
  if (keyboard) await window.press(KEY.enter);
  else await window.click(PRIMARY);
};

/** Goes to an element by Tab alone. */
async function reach(name) {
  await window.wait(mark(name));
  for (let tabs = 0; tabs < 120; tabs += 1) {
    if ((await window.run("return document.activeElement?.dataset.testid")) === name) return;
    await window.press(KEY.tab);
  }
  assert.fail(`${name} is not reached by Tab`);
}

/** Goes to the list of profiles by Tab, and to one of them by arrows; presses it. */
async function choose(title) {
  const focused = () => window.run("return document.activeElement?.dataset.testid ?? ''");
  await window.wait(mark(`profile-${title}`));
  for (let tabs = 0; tabs < 60 && !(await focused()).startsWith("profile-"); tabs += 1) await window.press(KEY.tab);
  for (let steps = 0; steps < 20 && (await focused()) !== `profile-${title}`; steps += 1) await window.press(KEY.down);
  for (let steps = 0; steps < 20 && (await focused()) !== `profile-${title}`; steps += 1) await window.press(KEY.up);
  assert.equal(await focused(), `profile-${title}`, "arrows reach it");
  await window.press(KEY.enter);
}

/** Goes to an element by Tab and presses it. */
async function go(name) {
  await reach(name);
  await window.press(KEY.enter);
}

/** Presses the dialog's own button. */
async function confirm(keyboard) {
  await window.wait(mark("apply-dialog"));
  if (keyboard) await go("confirm-apply");
  else await window.click(mark("confirm-apply"));
}

/** From the form to rows that are in, and back. */
async function journey(profile, { keyboard = false } = {}) {
  const name = `${profile.title.toLowerCase().replace(/\W+/g, "-")}${keyboard ? "-keys" : ""}`;
  await window.waitText(mark("headline"), /asks for/i, 30);
  await profile.fill?.(window, keyboard);
  await seen(`${name}-1-form`);
  if (keyboard) await go("next-primary");
  else await primary(false);
  await window.waitText(mark("headline"), /dry run worked|would|Nothing has changed/i, 60);
  await primary(keyboard);
  await window.waitText(mark("headline"), profile.rows, 60);
  await window.wait(mark("row-board"));
  await seen(`${name}-2-rows`);
  await primary(keyboard);
  await confirm(keyboard);
  await window.waitText(mark("headline"), /The seed is in: it added/, 90);
  await window.wait(mark("run-changed"));
  await seen(`${name}-3-ended`);
  if (keyboard) await window.press("6");
  else await window.click(mark("panel-verification"));
  await window.waitText(mark("headline"), /All \d+ checks hold/, 60);
  await seen(`${name}-4-checks`);
  if (keyboard) await window.press(KEY.alt, KEY.left);
  else await window.run("history.back()");
  await window.wait(mark("run-undo"));
  if (keyboard) await go("run-undo");
  else await window.click(mark("run-undo"));
  await window.waitText(mark("headline"), /can be taken back/i, 60);
  await seen(`${name}-5-undo`);
  await primary(keyboard);
  await window.waitText(mark("headline"), /dry run worked|would|Nothing has changed/i, 60);
  await primary(keyboard);
  await window.waitText(mark("headline"), /Undoing run \d+ would delete/i, 60);
  await seen(`${name}-6-undo-rows`);
  await primary(keyboard);
  await confirm(keyboard);
  await window.waitText(mark("headline"), /is done|taken back|are gone|undone/i, 90);
  assert.equal(await window.count(mark("run-checks")), 0, "checks of a profile that was taken back say nothing");
  await seen(`${name}-7-undone`);
  if (!keyboard) {
    await window.click(mark("panel-verification"));
    await window.waitText(mark("headline"), /nothing to check yet/i, 30);
  }
}

for (const profile of PROFILES) {
  test(`${profile.title}: form, rows, apply, checks and undo in the sandbox by mouse`, async () => {
    await window.click(mark("panel-seeds"));
    await window.click(mark(`profile-${profile.title}`));
    if (profile === PROFILES[0]) await seen("shelf");
    await window.click(mark("profile-fill"));
    await window.click(mark("seed-sandbox"));
    await window.waitText(mark("said"), /This is sandbox/i, 120);
    await journey(profile);
  });

  test(`${profile.title}: the same by keyboard alone`, async () => {
    await window.press("4");
    await choose(profile.title);
    await go("profile-fill");
    await journey(profile, { keyboard: true });
  });
}

test("nothing typed as a password is in the page or in the console's files", async () => {
  const page = await window.run("return document.documentElement.outerHTML + JSON.stringify({ ...sessionStorage, ...localStorage })");
  assert.ok(!page.includes(PASSWORD), "the page holds no password");
  const { execFileSync } = await import("node:child_process");
  const found = execFileSync("bash", ["-c", 'grep -rl -- "$1" "$2" || true', "grep", PASSWORD, window.data], { encoding: "utf8" });
  assert.equal(found, "", "no file of the console holds it");
});
