import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);

test("the overview answers what is wrong, and Enter takes the next step", async () => {
  const page = await visit("");
  await headline(page, "The app expects 6 tables");
  await judge(page, "overview");
  assert.equal(
    await mark(page, "card-checklist").getAttribute("data-tone"),
    "unknown",
    "what was not read is never green",
  );
  assert.equal(
    await mark(page, "card-app_and_logs").evaluate((card) => card.tagName),
    "DIV",
    "and cannot be pressed",
  );
  await page.keyboard.press("Enter");
  await headline(page, "The first 4 of 7 statements stayed");
});

test("number keys open instruments; those not built say so", async () => {
  const page = await visit("#/environment/production/overview");
  await headline(page, "The app expects");
  await page.keyboard.press("8");
  assert.equal(
    await mark(page, "said").textContent(),
    "Activity is not built yet.",
  );
  await page.keyboard.press("7");
  await headline(page, "No release is on the desk.");
  await page.keyboard.press("2");
  await headline(page, "1 migration failed halfway");
  await page.keyboard.press("3");
  await headline(page, "6 tables fewer");
  await page.keyboard.press("5");
  await headline(page, "The newest full backup to trust");
  await page.keyboard.press("0");
  await headline(page, "Run 151 needs attention");
});

test("production is named, striped and plated; development is not", async () => {
  const page = await visit("#/environment/production/overview");
  await mark(page, "banner-name").waitFor();
  assert.equal(
    await page.locator(".frame").getAttribute("data-tier"),
    "production",
  );
  assert.ok(
    await page.getByText("Production", { exact: true }).first().isVisible(),
  );
  await mark(page, "rail-env-preview-nila").click();
  await headline(page, "preview-nila could not be read");
  assert.equal(
    await page.locator(".frame").getAttribute("data-tier"),
    "development",
  );
});

test("loading names what it waits for", async () => {
  const page = await visit("#/environment/production/overview", {
    scenario: "slow",
  });
  await mark(page, "loading").waitFor();
  assert.match(
    await mark(page, "loading").textContent(),
    /Waiting for the database/,
  );
  await judge(page, "overview-loading");
});

test("an error says what, why, what is unchanged, what next, and its code", async () => {
  const page = await visit("#/environment/production/overview", {
    scenario: "broken",
  });
  await mark(page, "failure").waitFor();
  const words = await mark(page, "failure").textContent();
  for (const part of [
    "The connection was lost",
    "Unchanged:",
    "Next:",
    "DRY-1109",
  ])
    assert.ok(words.includes(part), part);
  await judge(page, "overview-error");
});

test("what could not be read again is stale, with its age, and not green", async () => {
  const page = await visit("#/environment/staging/overview", {
    scenario: "again",
  });
  await headline(page, "4 migrations are waiting");
  await mark(page, "panel-migrations").click();
  await headline(page, "4 migrations are waiting");
  await mark(page, "panel-overview").click();
  await page.getByText("It could not be read again").waitFor();
  assert.equal(
    await mark(page, "card-connection").getAttribute("data-tone"),
    "stale",
  );
  await judge(page, "overview-stale");
});

test("another database is refused until its name is typed", async () => {
  const page = await visit("#/environment/production/overview", {
    scenario: "changed",
  });
  await mark(page, "failure-action").click();
  await mark(page, "prompt-repin").waitFor();
  await judge(page, "repin");
  await mark(page, "prompt-text").fill("atelier");
  assert.equal(
    await mark(page, "prompt-send").getAttribute("aria-disabled"),
    "true",
  );
  await mark(page, "prompt-text").fill("atelier-production");
  await page.keyboard.press("Enter");
  await headline(page, "The app expects");
});

test("a password that is kept nowhere is asked for, and the vault's passphrase", async () => {
  const page = await visit("#/environment/production/overview", {
    scenario: "secret",
  });
  await mark(page, "failure-action").click();
  await mark(page, "prompt-secret").waitFor();
  await judge(page, "ask-each-time");
  await mark(page, "prompt-text").fill("harbour");
  await page.keyboard.press("Enter");
  await headline(page, "The app expects");

  const locked = await visit("#/environment/production/overview", {
    scenario: "vault",
  });
  await mark(locked, "failure-action").click();
  await mark(locked, "prompt-text").fill("wrong");
  await locked.keyboard.press("Enter");
  await locked.getByText("The passphrase is not the vault's").waitFor();
  await judge(locked, "vault-unlock");
  await mark(locked, "prompt-text").fill("open sesame");
  await locked.keyboard.press("Enter");
  await headline(locked, "The app expects");
});

test("the palette goes anywhere by name; Esc closes it and the focus returns", async () => {
  const page = await visit("#/environment/production/overview");
  await headline(page, "The app expects");
  await page.keyboard.press("Control+k");
  await mark(page, "palette").waitFor();
  await judge(page, "palette");
  await mark(page, "palette-search").fill("staging");
  await page.keyboard.press("Enter");
  await headline(page, "4 migrations are waiting");
  await page.keyboard.press("?");
  await mark(page, "key-help").waitFor();
  await judge(page, "key-help");
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "key-help").count(), 0);
});
