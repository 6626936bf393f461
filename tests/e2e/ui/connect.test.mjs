import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);

test("first start: an address becomes an environment, its password leaves the field", async () => {
  const page = await visit("", { scenario: "empty" });
  await headline(page, "What do you have?");
  await judge(page, "first-start");
  await mark(page, "address").fill(
    "postgresql://atelier:s3cret@db.example.com:6543/atelier?sslmode=require",
  );
  await page.keyboard.press("Enter");
  await mark(page, "read-out").waitFor();
  assert.equal(
    await mark(page, "address").inputValue(),
    "postgresql://atelier@db.example.com:6543/atelier",
  );
  assert.ok(
    !(await page.content()).includes("s3cret"),
    "the password is nowhere on the page",
  );
  await mark(page, "name").fill("shop-production");
  await judge(page, "first-start-address");
  await mark(page, "next-primary").click();
  await headline(page, "The database is reached");
  await judge(page, "first-start-tested");
  await mark(page, "next-primary").click();
  await headline(
    page,
    "The database answers. Its migrations are not known yet.",
  );
});

test("first start: what is not built says so and cannot be chosen", async () => {
  const page = await visit("#/start", { scenario: "empty" });
  const ssh = mark(page, "first-start-ssh");
  assert.match(await ssh.textContent(), /not available yet/);
  assert.equal(await ssh.locator("input").count(), 0);
});

test("first start: without a toolkit the sandbox says why", async () => {
  const page = await visit("#/start", { scenario: "sandbox-missing" });
  await mark(page, "first-start-sandbox").click();
  await page
    .getByText("The sandbox is not available on this computer")
    .waitFor();
  assert.equal(
    await mark(page, "next-primary").getAttribute("aria-disabled"),
    "true",
  );
  await judge(page, "first-start-no-sandbox");
});

test("the doctor explains the pooler and the one way on", async () => {
  const page = await visit("#/environment/eu/doctor");
  await headline(page, "The database is reached, but this is the pooler.");
  await mark(page, "drawer").waitFor();
  assert.match(await mark(page, "drawer").textContent(), /DRY-1106/);
  await judge(page, "doctor");
  await page.keyboard.press("Escape");
  assert.equal(
    await mark(page, "drawer").count(),
    0,
    "Esc closes the evidence",
  );
  await page.keyboard.press("Enter");
  await headline(page, "The database is reached. One thing is worth a look.");
});

test("the doctor shows hops as they arrive, and those not reached", async () => {
  const page = await visit("#/environment/preview/doctor", { pace: 500 });
  await headline(page, "Testing the connection.");
  await mark(page, "hop-tcp").getByText("Block").waitFor();
  await judge(page, "doctor-testing");
});

test("the environment form: locked rules, changes named, tested before saved", async () => {
  const page = await visit("#/environment/production/edit");
  await headline(page, "atelier-production is saved as shown.");
  assert.equal(
    await page.getByText("Always").count(),
    2,
    "production's rules are locked",
  );
  await page.locator("#direct-port").fill("5433");
  await headline(page, "1 change to atelier-production is not saved.");
  await judge(page, "environment-edit");
  await mark(page, "next-primary").click();
  await headline(page, "atelier-production is saved as shown.");
  await mark(page, "environment-delete").click();
  await mark(page, "delete-dialog").waitFor();
  assert.equal(
    await mark(page, "confirm-delete").getAttribute("aria-disabled"),
    "true",
  );
  await judge(page, "environment-delete");
});

test("settings: theme, sandbox, vault, record", async () => {
  const page = await visit("#/settings");
  await headline(page, "Settings of this console.");
  await mark(page, "sandbox-start").click();
  await mark(page, "sandbox-stop").waitFor();
  await mark(page, "audit-verify").click();
  await page.getByText("The chain of 2,214 entries holds").waitFor();
  await judge(page, "settings");
  await page.getByRole("button", { name: "Dark" }).click();
  assert.equal(
    await page.evaluate(() => document.documentElement.dataset.theme),
    "dark",
  );
});
