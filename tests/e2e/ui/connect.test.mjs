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
  const coolify = mark(page, "first-start-coolify");
  assert.match(await coolify.textContent(), /not available yet/);
  assert.equal(await coolify.locator("input").count(), 0);
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
  await mark(page, "kept-applies").fill("30");
  await mark(page, "kept-save").click();
  await page.getByRole("button", { name: "Dark" }).click();
  assert.equal(
    await page.evaluate(() => document.documentElement.dataset.theme),
    "dark",
  );
  assert.equal(
    await mark(page, "kept-save").getAttribute("aria-disabled"),
    "true",
    "choosing a theme leaves what was set for rows",
  );
  assert.equal(await mark(page, "kept-applies").inputValue(), "30");
});

const SHOWN = "SHA256:nThbgRKE8dMwkJ2aXfQv7uLm0sYcPzWe3HtNoB6i4Gr";
const focus = (page) =>
  page.evaluate(
    () => document.activeElement?.dataset.testid ?? document.activeElement?.id,
  );
const isLocked = async (page, name) =>
  (await mark(page, name).getAttribute("aria-disabled")) === "true";

test("first start: an SSH login becomes a tested environment, its key compared first", async () => {
  const page = await visit("", { scenario: "empty" });
  await mark(page, "first-start-ssh").click();
  assert.ok(await isLocked(page, "next-primary"), "a host is needed");
  await judge(page, "first-start-ssh");
  await mark(page, "offer").getByText("harbour").click();
  assert.equal(
    await mark(page, "ssh-host").inputValue(),
    "harbour",
    "an alias need not be typed",
  );
  await mark(page, "ssh-host").fill("deploy@bastion.example.com");
  await page.keyboard.press("Tab");
  assert.equal(
    await mark(page, "ssh-user").inputValue(),
    "deploy",
    "a login pasted as a whole is taken apart",
  );
  await mark(page, "next-primary").click();
  await mark(page, "host-key-unknown").waitFor();
  await judge(page, "first-start-ssh-key");
  assert.equal(await focus(page), "host-key-pasted");
  assert.ok(
    await isLocked(page, "host-key-trust"),
    "nothing is trusted uncompared",
  );
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "host-key-unknown").count(), 0);
  await headline(page, "its key is not trusted");
  await mark(page, "next-primary").click();
  await mark(page, "host-key-pasted").fill(
    `256 ${SHOWN} root@bastion (ED25519)`,
  );
  await page.getByText("All 43 characters are the same.").waitFor();
  await mark(page, "host-key-trust").click();
  await mark(page, "ssh-start-database").waitFor();
  await headline(page, "lets Drydock in. Which database is it?");
  assert.equal(await page.locator("#direct-host").inputValue(), "localhost");
  assert.equal(await page.locator("#direct-port").inputValue(), "5432");
  await judge(page, "first-start-ssh-database");
  await page.locator("#direct-database").fill("ledger");
  await page.locator("#direct-user").fill("migrate");
  await mark(page, "direct-password-secret").fill("s3cret");
  /* Straight from the field to the button: leaving the field hands the password over. */
  await mark(page, "next-primary").click();
  await headline(page, "The database is reached, and everything fits.");
  assert.ok(
    !(await page.content()).includes("s3cret"),
    "the password is nowhere on the page",
  );
  await mark(page, "name").fill("ledger-production");
  await judge(page, "first-start-ssh-name");
  await page.keyboard.press("Tab");
  await mark(page, "next-primary").click();
  await headline(
    page,
    "The database answers. Its migrations are not known yet.",
  );
  assert.match(
    await mark(page, "banner-line").textContent(),
    /through deploy@bastion\.example\.com.*your own ssh/s,
  );
});

test("first start: a host that is not found says so where it is mended", async () => {
  const page = await visit("#/start", { scenario: "empty" });
  await mark(page, "first-start-ssh").click();
  await mark(page, "ssh-host").fill("nowhere.example.com");
  await mark(page, "next-primary").click();
  await headline(page, "The SSH host is not reached.");
  await mark(page, "hop-ssh_name_lookup").getByText("Block").waitFor();
  await judge(page, "first-start-ssh-nowhere");
  await mark(page, "ssh-host").fill("known.example.com");
  await mark(page, "next-primary").click();
  await mark(page, "ssh-start-database").waitFor();
});

test("the environment form: another login, a jump host, the stored secret kept", async () => {
  const page = await visit("#/environment/ssh/edit", { scenario: "ssh-jump" });
  await headline(page, "ledger-production is saved as shown.");
  assert.match(await mark(page, "ssh-kept").textContent(), /in the keyring/);
  await mark(page, "ssh-kept").getByRole("button", { name: "Replace" }).click();
  await mark(page, "ssh-secret").fill("typed, then thought better of");
  await page.getByRole("button", { name: "Keep as it is" }).click();
  assert.match(
    await mark(page, "ssh-kept").textContent(),
    /in the keyring/,
    "leaving it leaves the stored one",
  );
  await headline(page, "ledger-production is saved as shown.");
  assert.match(
    await mark(page, "host-key-pins").textContent(),
    /bastion\.example\.com/,
  );
  await mark(page, "ssh-jump-add").click();
  assert.ok(await isLocked(page, "next-primary"), "a jump host needs a name");
  await mark(page, "ssh-jump-1-host").fill("inner.example.com");
  await mark(page, "ssh-login")
    .getByRole("button", { name: "A key file" })
    .click();
  await page.locator("#ssh-key").fill("/home/ops/.ssh/id_ed25519");
  await page
    .getByText("it uses this key file with your configuration")
    .waitFor();
  await mark(page, "ssh-jump-1-login")
    .getByRole("button", { name: "A password" })
    .click();
  assert.ok(await isLocked(page, "next-primary"), "its password is needed");
  await mark(page, "ssh-jump-1-secret").fill("hunter2");
  await page.keyboard.press("Enter");
  await mark(page, "ssh-jump-1-kept").waitFor();
  assert.ok(!(await page.content()).includes("hunter2"));
  /* What the built-in one does not follow of the operator's configuration is said by line. */
  await mark(page, "ssh-notes").getByText("line 7").waitFor();
  await judge(page, "environment-edit-ssh");
  await mark(page, "ssh-jump-0-remove").click();
  assert.equal(
    await mark(page, "ssh-jump-0-host").inputValue(),
    "inner.example.com",
  );
  await mark(page, "next-primary").click();
  await headline(page, "ledger-production is saved as shown.");
  assert.equal(await mark(page, "ssh-jump-0-host").count(), 1);
});

test("the environment form: from directly to SSH, the key compared before it is saved", async () => {
  const page = await visit("#/environment/staging/edit");
  await mark(page, "transport-ssh").click();
  await mark(page, "ssh-host").fill("bastion.example.com");
  await page.getByText("As bastion.example.com sees it").waitFor();
  await page.getByText("it uses your agent and your configuration").waitFor();
  await mark(page, "next-primary").click();
  await mark(page, "host-key-unknown").waitFor();
  await mark(page, "host-key-ticked").check();
  await mark(page, "host-key-trust").click();
  await headline(page, "atelier-staging is saved as shown.");
  await mark(page, "host-key-pins").getByText("bastion.example.com").waitFor();
});

test("the doctor asks about an unknown key, and trusts only the same one", async () => {
  const page = await visit("#/environment/ssh/doctor", {
    scenario: "ssh-unknown",
  });
  await mark(page, "host-key-unknown").waitFor();
  assert.match(
    await mark(page, "host-key-shown").textContent(),
    /nThb\s*gRKE/,
    "the fingerprint stands in groups",
  );
  await judge(page, "host-key-unknown");
  await mark(page, "host-key-pasted").fill(SHOWN.replace("4Gr", "4Gs"));
  await page.getByText("This is another key.").waitFor();
  await mark(page, "host-key-ticked").check();
  assert.ok(
    await isLocked(page, "host-key-trust"),
    "a tick does not outweigh another key",
  );
  await judge(page, "host-key-other");
  await mark(page, "host-key-pasted").fill(SHOWN);
  await mark(page, "host-key-trust").focus();
  await page.keyboard.press("Enter");
  await headline(page, "The database is reached, and everything fits.");
  assert.equal(await mark(page, "host-key-unknown").count(), 0);
});

test("a changed or refused key is a stop without a way past it", async () => {
  for (const [scenario, words] of [
    ["ssh-changed", /has changed\. Drydock stops here/],
    ["ssh-refused", /must not be trusted\. Drydock stops here/],
  ]) {
    const page = await visit("#/environment/ssh/doctor", { scenario });
    const dialog = mark(page, "host-key-stop");
    await dialog.waitFor();
    assert.match(await dialog.textContent(), words);
    assert.equal(await focus(page), "host-key-keep", "the safe answer first");
    assert.deepEqual(
      (await dialog.getByRole("button").allTextContents())
        .map((text) => text.trim())
        .filter(Boolean),
      ["Keep as it is Esc", "Copy both fingerprints"],
      "no button trusts it",
    );
    await judge(page, `host-key-${scenario}`);
    await page.keyboard.press("Escape");
    assert.equal(await dialog.count(), 0);
    assert.match(await mark(page, "next-primary").textContent(), /Look at/);
  }
});

test("any screen's failure about a host key leads to the doctor", async () => {
  const page = await visit("#/environment/ssh/overview", {
    scenario: "ssh-unknown",
  });
  await mark(page, "failure-code").getByText("DRY-1111").waitFor();
  await mark(page, "failure-action").click();
  await mark(page, "host-key-unknown").waitFor();
});

test("the secret of the SSH login is asked for by name", async () => {
  const page = await visit("#/environment/ssh/overview", {
    scenario: "ssh-secret",
  });
  await mark(page, "failure-action").click();
  await mark(page, "prompt-ssh_secret").waitFor();
  await page.getByText("Password of deploy@bastion.example.com").waitFor();
  await mark(page, "prompt-text").fill("s3cret");
  await judge(page, "prompt-ssh-secret");
  await page.keyboard.press("Enter");
  await headline(page, "All is well. Every migration is in.");
});

test("the doctor shows the way to the SSH host first, jump hosts by themselves", async () => {
  const page = await visit("#/environment/ssh/doctor", {
    scenario: "ssh-jump",
  });
  await headline(page, "The database is reached, and everything fits.");
  const legs = await page
    .locator("[data-testid^=leg-] > span:nth-child(2)")
    .allTextContents();
  assert.deepEqual(legs, [
    "By way of",
    "To the SSH host",
    "From there to the database",
    "In the database",
  ]);
  await mark(page, "hop-ssh_login-gate.example.com").click();
  assert.match(await mark(page, "drawer").textContent(), /Login on gate/);
  await judge(page, "doctor-ssh");
});

test("a lost line is seen in the banner, with its reason and the way to the doctor", async () => {
  const page = await visit("#/environment/ssh/overview", {
    scenario: "ssh-lost",
  });
  const state = mark(page, "line-state");
  await state.getByText("Open").waitFor();
  /* It is lost 1.5 s after the start; looked at every 2 s. */
  await state.getByText(/Lost since \d\d:\d\d:\d\d/).waitFor({ timeout: 4500 });
  assert.match(
    await mark(page, "banner-line").locator("dd").getAttribute("title"),
    /No answer from bastion\.example\.com for 8 s/,
  );
  await judge(page, "banner-lost");
  await mark(page, "line-test").click();
  await headline(page, "The SSH host is not reached.");
});

test("a question of the host is put to the operator, and goes nowhere else", async () => {
  const page = await visit("#/environment/ssh/doctor", {
    scenario: "ssh-question",
  });
  await mark(page, "host-question").waitFor();
  await page.getByText("bastion.example.com asks you").waitFor();
  assert.equal(await focus(page), "host-question-text");
  await judge(page, "host-question");
  await mark(page, "host-question-text").fill("123456");
  await page.keyboard.press("Enter");
  await headline(page, "is reached");
  assert.equal(await mark(page, "host-question").count(), 0);
  assert.ok(!(await page.content()).includes("123456"));
});
