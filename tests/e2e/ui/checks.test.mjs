import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);
const place = "#/environment/production/verification";
const verified = (page) => page.evaluate(() => globalThis.fakeVerified ?? []);
const words = async (locator) =>
  (await locator.innerText()).replace(/\s+/g, " ").trim();

/** Tab until something has the focus; the way there is the keyboard's. */
async function tabTo(page, testid) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    if (
      await page.evaluate(
        (id) => document.activeElement?.dataset.testid === id,
        testid,
      )
    )
      return;
  }
  assert.fail(`${testid} is not reached by Tab`);
}

async function setUp(page) {
  await mark(page, "view-setup").click();
  await mark(page, "check-files").waitFor();
}

test("parts stand in their order; a check of the app shows its requests, what each found, and what it kept", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  const parts = await mark(page, "check-table")
    .locator("th.group")
    .allTextContents();
  assert.deepEqual(
    parts.map((part) => /^[A-Za-z]+/.exec(part.trim())[0].replace(/\d.*/, "")),
    ["Database", "Schema", "API", "Page", "Functional"],
  );
  assert.match(
    await words(mark(page, "check-Make an avatar")),
    /Make an avatar ?, writes/,
  );
  assert.equal(
    await mark(page, "check-table")
      .locator("tr", { hasText: "Make an avatar" })
      .locator("[data-tone]")
      .textContent(),
    "Not run",
    "what was not run is not green",
  );
  await mark(page, "check-Prices shown").click();
  await mark(page, "drawer").getByText("Internal error").first().waitFor();
  const second = mark(page, "requests").locator("> li").nth(1);
  assert.match(
    await words(second),
    /2\. Open the prices Failed GET \/prices status 500, 1204 ms/,
  );
  assert.match(
    await words(second.locator("table")),
    /status Not right: 500 200 to 299 time Not right: 1204 ms ≤ 1000 ms/,
  );
  assert.equal(
    await mark(page, "requests").locator("details[open]").count(),
    1,
    "what is well is folded",
  );
  assert.equal(
    await mark(page, "drawer").locator(".sql").count(),
    0,
    "no query where none was asked",
  );
  await judge(page, "checks-requests-failed");
  await mark(page, "check-An avatar costs 1 credit").click();
  await mark(page, "writes")
    .getByText("its last requests take that back")
    .waitFor();
  await mark(page, "request-3").focus();
  await page.keyboard.press("Enter");
  assert.match(await words(mark(page, "request-3")), /sent 4 times/);
  await mark(page, "request-0").click();
  await mark(page, "requests").getByText("token = ••••••").waitFor();
  assert.match(await words(mark(page, "request-5")), /6\. Remove it clean-up/);
  assert.equal(
    await mark(page, "requests").locator('[data-tone="pass"]').count(),
    0,
    "requests of a stale reading are stale, too",
  );
  await mark(page, "writes").scrollIntoViewIfNeeded();
  await judge(page, "checks-requests");
});

test("on production no check writes unless it is ticked; Escape runs nothing", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await mark(page, "verify-again").click();
  const dialog = mark(page, "writing-dialog");
  await dialog
    .getByText("writes as qa@example.com and leaves behind: an avatar")
    .waitFor();
  assert.equal(
    await dialog.locator("input:checked").count(),
    0,
    "nothing is ticked beforehand",
  );
  assert.equal(
    await mark(page, "writing-run").getAttribute("aria-disabled"),
    "true",
  );
  await judge(page, "checks-writing");
  await mark(page, "writing-run").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  assert.equal(await dialog.count(), 0);
  await page.waitForTimeout(80);
  assert.deepEqual(await verified(page), [], "nothing ran");

  await mark(page, "verify-again").click();
  await mark(page, "writing-without").click();
  await page.waitForFunction(() => globalThis.fakeVerified?.length === 1);
  assert.deepEqual(await verified(page), [[]], "only what reads ran");
  const row = mark(page, "check-table").locator("tr", {
    hasText: "Make an avatar",
  });
  assert.equal(
    await row.locator("[data-tone]").getAttribute("data-tone"),
    "unknown",
  );

  await mark(page, "verify-again").click();
  await mark(page, "writing-tick-0").check();
  assert.match(
    await words(mark(page, "writing-run")),
    /Verify with 1 that writes/,
  );
  await judge(page, "checks-writing-ticked");
  await mark(page, "writing-run").click();
  await headline(page, "13 of 17");
  assert.deepEqual(await verified(page), [[], ["shop/Make an avatar"]]);
  assert.equal(
    await row.locator("[data-tone]").getAttribute("data-tone"),
    "pass",
  );
});

test("one check that writes is run from its evidence, with the same question, by keyboard", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await mark(page, "check-Make an avatar").focus();
  await page.keyboard.press("Enter");
  await mark(page, "drawer").getByText("nothing, it was not run").waitFor();
  await judge(page, "checks-not-run");
  await mark(page, "run-check").focus();
  await page.keyboard.press("Enter");
  await mark(page, "writing-dialog").waitFor();
  assert.equal(
    await mark(page, "writing-dialog").locator("input").count(),
    1,
    "that one alone",
  );
  await judge(page, "checks-writing-one");
  await page.keyboard.press("Space");
  await tabTo(page, "writing-run");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => globalThis.fakeVerified?.length === 1);
  assert.deepEqual(await verified(page), [["shop/Make an avatar"]]);
  await mark(page, "drawer").getByText("2 requests to the app").waitFor();
});

test("outside of production verifying asks nothing, and says that checks write there", async () => {
  const page = await visit("#/environment/staging/verification");
  await headline(page, "All 13 checks hold.");
  assert.match(
    await mark(page, "next-detail").textContent(),
    /2 checks write to the app here, without a question/,
  );
  await mark(page, "next-primary").click();
  await page.waitForFunction(() => globalThis.fakeVerified?.length === 1);
  assert.equal(await mark(page, "writing-dialog").count(), 0);
  await mark(page, "check-Make an avatar").click();
  await mark(page, "writes")
    .getByText("Here it runs with every verification")
    .waitFor();
  assert.equal(await mark(page, "run-check").count(), 0);
});

test("the set-up: address, folders, files and what is wrong in them, credentials", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await setUp(page);
  await headline(
    page,
    "3 checks in 1 file. 1 file has mistakes, 1 credential is missing.",
  );
  assert.match(
    await words(mark(page, "check-file-shop.toml")),
    /3 checks, 2 of them ask the app/,
  );
  assert.match(
    await words(mark(page, "check-file-prices.toml")),
    /Line 7: prices does not begin with one/,
  );
  await page
    .getByText("not through the environment's SSH line or a proxy")
    .waitFor();
  await judge(page, "checks-setup");
  await mark(page, "check-app").fill("app.atelier.example");
  await page.keyboard.press("Enter");
  await mark(page, "failure")
    .getByText("This is not an address of an app")
    .waitFor();
  await judge(page, "checks-setup-address");
  await mark(page, "check-app").fill("https://eu.atelier.example");
  await page.keyboard.press("Enter");
  await page.waitForFunction(
    () =>
      document.querySelector('[data-testid="said"]').textContent ===
      "Saved the app's address.",
  );
  assert.equal(await mark(page, "failure").count(), 0);
});

test("a credential is entered, kept where it is said, and is nowhere in the page afterwards", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await setUp(page);
  assert.match(
    await words(mark(page, "credential-report_key")),
    /Key of the report interface report_key Asked for by The shop Not set/,
  );
  assert.match(
    await words(mark(page, "credential-qa_password")),
    /Set, kept in the keyring/,
  );
  await mark(page, "credential-set-report_key").click();
  await mark(page, "credential-secret").fill("hunter2-not-shown");
  await judge(page, "checks-credential");
  await page.setViewportSize({ width: 640, height: 360 });
  await mark(page, "view-setup").focus();
  await mark(page, "credential-secret").focus();
  const [field, bar] = await Promise.all(
    ["credential-secret", "next-bar"].map((name) =>
      mark(page, name).boundingBox(),
    ),
  );
  assert.ok(
    field.y + field.height <= bar.y,
    "zoomed in, the field one types into is not under the next step",
  );
  await page.setViewportSize({ width: 1280, height: 720 });
  await mark(page, "credential-save").click();
  await mark(page, "credential-report_key")
    .getByText("Set, kept in the keyring")
    .waitFor();
  const whole = await page.evaluate(
    () =>
      document.documentElement.outerHTML +
      [...document.querySelectorAll("input, textarea")]
        .map((field) => field.value)
        .join(),
  );
  assert.ok(
    !whole.includes("hunter2-not-shown"),
    "the secret has left the window",
  );
  assert.equal(
    await page.evaluate(() => document.activeElement?.dataset.testid),
    "credential-set-report_key",
    "the focus is back where it began",
  );
  const locked = await visit(place, { scenario: "vault" });
  await setUp(locked);
  await mark(locked, "credential-set-report_key").click();
  await mark(locked, "credential-secret").fill("hunter2-not-shown");
  await mark(locked, "credential-save").click();
  await mark(locked, "failure").getByText("The vault is locked").waitFor();
  assert.equal(
    await mark(locked, "credential-secret").inputValue(),
    "",
    "a failure does not bring it back",
  );
});

test("editing: mistakes while typing, the caret at their line, saving, and what is saved is read", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await setUp(page);
  await page.keyboard.press("Escape");
  await mark(page, "next-primary").click();
  await headline(page, "Editing prices.toml. 1 mistake.");
  assert.equal(
    await mark(page, "next-primary").getAttribute("aria-disabled"),
    "true",
    "nothing has changed yet",
  );
  await judge(page, "checks-editor-mistake");
  await mark(page, "check-problem-0").click();
  const caret = await mark(page, "check-text").evaluate(
    (field) => field.value.slice(0, field.selectionStart).split("\n").length,
  );
  assert.equal(caret, 7, "the caret stands in the line");
  const text = await mark(page, "check-text").inputValue();
  await mark(page, "check-text").fill(text.replace('title = "Prices"', ""));
  await mark(page, "check-problems")
    .getByText("The file has no title")
    .waitFor();
  await headline(page, "Editing prices.toml. 2 mistakes.");
  assert.equal(
    await mark(page, "next-primary").getAttribute("aria-disabled"),
    "true",
    "it is refused while a mistake stands",
  );
  await mark(page, "check-text").fill(text.replace('"prices"', '"/prices"'));
  await mark(page, "check-problems").getByText("It can be read.").waitFor();
  assert.equal(await words(mark(page, "check-problems-told")), "No mistake");
  await judge(page, "checks-editor");
  await page.keyboard.press("Control+s");
  await headline(page, "4 checks in 2 files.");
  assert.match(
    await words(mark(page, "check-file-prices.toml")),
    /Prices prices\.toml 1 check, it asks the app/,
  );
  assert.equal(
    await page.evaluate(() => document.activeElement?.dataset.testid),
    "check-edit-prices.toml",
    "the focus is back at the file",
  );
});

test("a file that somebody else changed is not written over, and the text stays", async () => {
  const page = await visit(place, { scenario: "checks-changed" });
  await setUp(page);
  await mark(page, "check-edit-shop.toml").click();
  await headline(page, "Editing shop.toml.");
  const mine = `${await mark(page, "check-text").inputValue()}\n# mine\n`;
  await mark(page, "check-text").fill(mine);
  await page.waitForFunction(
    () =>
      document
        .querySelector('[data-testid="next-primary"]')
        .getAttribute("aria-disabled") === null,
  );
  await mark(page, "next-primary").click();
  await mark(page, "failure")
    .getByText("It was changed or removed since it was read.")
    .waitFor();
  assert.equal(await mark(page, "check-text").inputValue(), mine);
  await judge(page, "checks-editor-refused");
});

test("leaving with unsaved text asks first, whichever way one leaves", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await setUp(page);
  await mark(page, "check-edit-shop.toml").click();
  await mark(page, "check-text").press("End");
  await page.keyboard.type(" # more");
  for (const leave of [
    () => mark(page, "check-editor-close").click(),
    () => mark(page, "view-checks").click(),
    () => mark(page, "panel-drift").click(),
    () => page.goBack(),
  ]) {
    await leave();
    await mark(page, "leave-dialog").waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await mark(page, "leave-dialog").count(), 0);
    assert.match(
      await mark(page, "check-text").inputValue(),
      /# more/,
      "the text is still there",
    );
    assert.ok(page.url().endsWith("/verification"));
  }
  await mark(page, "panel-drift").click();
  await judge(page, "checks-leave");
  await mark(page, "leave-go").click();
  await headline(page, "6 tables fewer");
  await mark(page, "panel-verification").click();
  await setUp(page);
  await mark(page, "check-edit-shop.toml").click();
  await mark(page, "check-text").waitFor();
  assert.ok(!(await mark(page, "check-text").inputValue()).includes("# more"));
});

test("the set-up by keyboard alone: a folder, a new file, its first check from a form, saved, verified", async () => {
  const page = await visit(place, { scenario: "checks-none" });
  await mark(page, "empty").waitFor();
  await page.keyboard.press("Enter");
  await headline(page, "No file of checks is read yet.");
  await page.locator("h1").focus();
  await page.keyboard.press("Enter");
  await headline(page, "The folders hold no file of checks yet.");
  await page.locator("h1").focus();
  await page.keyboard.press("Enter");
  await mark(page, "new-file-dialog").waitFor();
  await page.keyboard.press("Enter");
  await mark(page, "new-file-dialog").getByText("Give it a name.").waitFor();
  await page.keyboard.type("shop");
  await mark(page, "new-file-dialog").getByText("/shop.toml").waitFor();
  await judge(page, "checks-new-file");
  await page.keyboard.press("Enter");
  await mark(page, "check-form").waitFor();
  await page.keyboard.press("Enter");
  await mark(page, "check-form").getByText("Give it a name").waitFor();
  await page.keyboard.type("Health");
  await tabTo(page, "draft-path");
  await page.keyboard.type("/health");
  await tabTo(page, "draft-jsonPath");
  await page.keyboard.type("$.status");
  await page.keyboard.press("Enter");
  await mark(page, "check-form")
    .getByText("Say which value it must be.")
    .waitFor();
  await judge(page, "checks-form");
  assert.equal(
    await page.evaluate(() => document.activeElement?.dataset.testid),
    "draft-jsonValue",
  );
  await page.keyboard.type("ok");
  await tabTo(page, "draft-bearer");
  await page.keyboard.press("End");
  await page.keyboard.press("Tab");
  await page.keyboard.type("api_key");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Key of the API");
  await page.keyboard.press("Enter");
  await mark(page, "check-form").waitFor({ state: "detached" });
  const text = await mark(page, "check-text").inputValue();
  for (const part of [
    'title = "Shop"',
    '[[credentials]]\nname = "api_key"',
    'get = "/health"',
    "Bearer {{api_key}}",
    'json = "$.status"',
  ])
    assert.ok(text.includes(part), `${part} is in ${text}`);
  assert.equal(
    await page.evaluate(() => document.activeElement?.dataset.testid),
    "check-text",
  );
  await mark(page, "check-problems").getByText("It can be read.").waitFor();
  await page.keyboard.press("Control+s");
  await headline(
    page,
    "1 check in 1 file. The app's address is not set, 1 credential is missing.",
  );
  await page.locator("h1").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("https://app.atelier.example");
  await page.keyboard.press("Enter");
  await headline(page, "1 check in 1 file. 1 credential is missing.");
  await page.locator("h1").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("secret");
  await page.keyboard.press("Enter");
  await headline(page, "1 check in 1 file.");
  await page.locator("h1").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => globalThis.fakeVerified?.length === 1);
});

test("a check of the database from the form: rows of a table, a query that finds none", async () => {
  const page = await visit(place);
  await headline(page, "12 of 17");
  await setUp(page);
  await mark(page, "check-edit-shop.toml").click();
  await mark(page, "check-add").click();
  await mark(page, "draft-name").fill("Styles there");
  await mark(page, "draft-kind-count").check();
  await mark(page, "draft-table").fill("styles");
  await mark(page, "draft-atLeast").fill("many");
  await mark(page, "draft-add").click();
  await mark(page, "check-form")
    .getByText("A whole number, 0 or more.")
    .waitFor();
  await judge(page, "checks-form-count");
  await mark(page, "draft-atLeast").fill("3");
  await mark(page, "draft-add").click();
  await mark(page, "check-form").waitFor({ state: "detached" });
  await mark(page, "check-add").click();
  await mark(page, "draft-name").fill("No lost avatar");
  await mark(page, "draft-kind-no_row").check();
  await mark(page, "draft-sql").fill(
    "SELECT id FROM avatars WHERE user_id IS NULL",
  );
  await judge(page, "checks-form-query");
  await mark(page, "draft-add").click();
  await mark(page, "check-form").waitFor({ state: "detached" });
  const text = await mark(page, "check-text").inputValue();
  assert.ok(
    text.endsWith('none = "SELECT id FROM avatars WHERE user_id IS NULL"\n'),
  );
  assert.match(text, /\[expect\.count\]\ntable = "styles"\nat_least = 3/);
});

test("the set-up while it is read, and when it cannot be", async () => {
  const slow = await visit(place, { scenario: "slow" });
  await mark(slow, "view-setup").click();
  await headline(slow, "Reading where the checks come from.");
  await judge(slow, "checks-setup-loading");
  const broken = await visit(place, { scenario: "setup-broken" });
  await headline(broken, "12 of 17");
  await mark(broken, "view-setup").click();
  await headline(broken, "The set-up could not be read.");
  await mark(broken, "failure").waitFor();
  await judge(broken, "checks-setup-error");
});
