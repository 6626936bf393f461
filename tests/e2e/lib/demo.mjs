// The guided demo: from "something is wrong" to "fixed and verified", led by the next-step bar alone.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KEY, pause, repository } from "./webdriver.mjs";

const PRIMARY = "[data-testid=next-primary]:not(:disabled):not([aria-disabled=true]):not([aria-busy=true])";
const DIALOG = "[data-testid=apply-dialog]";

/** What tells one state of the window from another. */
const where = (window) =>
  window.run(
    "return [location.hash, document.querySelector('[data-testid=headline]')?.innerText, document.querySelector('[data-testid=next-primary]')?.innerText].join('|')",
  );

const says = async (window, id) => (await window.text(`[data-testid=${id}]`)).replace(/\s+/g, " ").trim();

/**
 * Walks the demo. `keyboard`: nothing but keys is used. `onStep(name)` is called on every screen.
 * Returns the screens passed, each with what it said.
 */
export async function walkDemo(window, { keyboard = false, onStep = async () => {} } = {}) {
  const passed = [];
  const step = stepper(window, passed, onStep);
  await window.wait("[data-testid=first-start-sandbox]");
  await step("first start");
  if (keyboard) await chooseByKeys(window, "first-start-sandbox");
  else await window.click("[data-testid=first-start-sandbox]");
  await window.waitText("[data-testid=next-primary]", /demo/i);
  await step("the sandbox is chosen");
  await follow(window, { keyboard, onStep, passed });
  return passed;
}

const stepper = (window, passed, onStep) => async (name) => {
  passed.push({ name, headline: await says(window, "headline"), next: await says(window, "next-primary") });
  await onStep(name, passed.length);
};

/** Follows the next-step bar until nothing waits any more. The screens are added to `passed`. */
export async function follow(window, { keyboard = false, onStep = async () => {}, passed = [] } = {}) {
  const step = stepper(window, passed, onStep);
  const forward = async () => {
    await window.wait(PRIMARY, { seconds: 120 });
    const before = await where(window);
    if (keyboard) await window.press(KEY.enter);
    else await window.click("[data-testid=next-primary]");
    return before;
  };
  const arrived = async (before, seconds = 120) => {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      if ((await where(window)) !== before && (await window.count(PRIMARY)) > 0) break;
      if ((await window.count(DIALOG)) > 0) return "dialog";
      if ((await window.count("[data-testid=failure]")) > 0) throw new Error(`the way met a failure: ${await window.text("[data-testid=failure]")}`);
      if (Date.now() > deadline) throw new Error(`nothing came after ${before}`);
      await pause(100);
    }
    await pause(300);
    return "screen";
  };

  for (let turn = 0; turn < 24; turn += 1) {
    const title = await says(window, "next-title");
    if (passed.length > 4 && /nothing waits/i.test(title) && (await window.run("return location.hash")).endsWith("/overview")) return passed;
    const before = await forward();
    if ((await arrived(before)) === "dialog") {
      await step("confirm");
      await confirm(window, keyboard);
      await arrived(before);
    }
    // A run shows itself at work first; its end is what is waited for.
    await window.wait(PRIMARY, { seconds: 120 });
    await pause(400);
    await step(await screenName(window));
  }
  throw new Error("the way did not come to an end");
}

const screenName = (window) => window.run("const part = location.hash.split('/').filter(Boolean); return part[part.length > 3 ? 3 : part.length - 1] ?? 'start'").then(
  async (part) => (await window.run("return location.hash")).match(/\/(overview|repair|plan|run|drift|migrations|doctor)/)?.[1] ?? part,
);

async function confirm(window, keyboard) {
  const ticks = await window.count("[data-testid=confirm-tick]");
  for (let tick = 0; tick < ticks; tick += 1) {
    if (keyboard) {
      await focusByTab(window, (id, at) => id === "confirm-tick" && at === tick);
      await window.press(KEY.space);
    } else {
      await window.run("document.querySelectorAll('[data-testid=confirm-tick]')[arguments[0]].click()", tick);
    }
  }
  if (keyboard) {
    await focusByTab(window, (id) => id === "confirm-apply");
    await window.press(KEY.enter);
  } else {
    await window.click("[data-testid=confirm-apply]");
  }
}

/** Tabs until the focus is where it is wanted. */
async function focusByTab(window, wanted) {
  for (let tab = 0; tab < 60; tab += 1) {
    const [id, at] = await window.run(
      "const at = document.activeElement; const id = at?.dataset?.testid ?? ''; return [id, [...document.querySelectorAll(`[data-testid=\"${id}\"]`)].indexOf(at)]",
    );
    if (wanted(id, at)) return;
    await window.press(KEY.tab);
  }
  throw new Error("Tab does not lead there");
}

async function chooseByKeys(window, id) {
  for (let tab = 0; tab < 60; tab += 1) {
    if (await window.run("const at = document.activeElement; return at?.dataset?.testid?.startsWith('first-start-') || at?.closest?.('[data-testid^=first-start-]') !== null && at !== document.body", id)) break;
    await window.press(KEY.tab);
  }
  for (let move = 0; move < 12; move += 1) {
    const chosen = await window.run(
      "const it = document.querySelector(`[data-testid=${arguments[0]}]`); return it.getAttribute('aria-checked') === 'true' || it.checked === true || it.querySelector('input')?.checked === true",
      id,
    );
    if (chosen) return;
    await window.press(KEY.down);
  }
  throw new Error("the arrow keys do not lead to the sandbox");
}

/** What axe finds on the page as it stands, contrast included; one line a finding. */
export async function axe(window) {
  if (!(await window.run("return typeof window.axe === 'object'"))) {
    await window.run(await readFile(join(repository, "ui/node_modules/axe-core/axe.min.js"), "utf8"));
  }
  return window.runAsync(
    "const done = arguments[0]; axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((found) => done(found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.target.join(' ')).join(', ')}`)), (error) => done([`axe itself failed: ${error.message}`]))",
  );
}

export const setTheme = (window, theme) => window.run("document.documentElement.dataset.theme = arguments[0]", theme);
