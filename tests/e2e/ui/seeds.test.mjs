import assert from "node:assert/strict";
import { after, test } from "node:test";
import { headline, judge, mark, openWindow } from "./window.mjs";

const visit = await openWindow(after);
const flags = "#/environment/production/seed/bundled%3Afeature-flags";

/** From the form to the review of the dry run, by the next button alone. */
async function dryRun(page) {
  await mark(page, "next-primary").click();
  await headline(page, "The dry run worked. Nothing has changed.");
  await mark(page, "next-primary").click();
  await mark(page, "row-board").waitFor();
}

test("the shelf: what can run here, what is broken and where, what is refused and why", async () => {
  const page = await visit("#/environment/production/overview");
  await headline(page, "The app expects");
  await page.keyboard.press("4");
  await headline(page, "2 seeds can run here. 1 profile has mistakes.");
  for (const words of [
    "profile.toml:12",
    "prices.csv:31",
    "Write columns.",
    "It may run in development only",
  ])
    await page.getByText(words).first().waitFor();
  assert.equal(
    await page.locator('.profiles [data-tone="block"]').count(),
    1,
    "only the broken one is a block",
  );
  await judge(page, "seeds");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await mark(page, "drawer").waitFor();
  await page.getByText("adds what is missing, changes nothing").waitFor();
  await judge(page, "seeds-evidence");
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "drawer").count(), 0);
});

test("own folders are added and removed; without any, the first step is to add one", async () => {
  const page = await visit("#/environment/production/seeds", {
    scenario: "seeds-empty",
  });
  await mark(page, "empty").waitFor();
  await judge(page, "seeds-empty");
  await mark(page, "next-primary").click();
  await mark(page, "seed-folders").waitFor();
  await mark(page, "seed-folder-remove-0").click();
  await page.waitForFunction(
    () => document.querySelector('[data-testid="seed-folders"]') === null,
  );
});

test("loading says what it waits for; an error says what, why and what next", async () => {
  const slow = await visit("#/environment/production/seeds", {
    scenario: "slow",
  });
  await mark(slow, "loading").getByText("Reading the profiles").waitFor();
  await judge(slow, "seeds-loading");
  const broken = await visit("#/environment/production/seeds", {
    scenario: "seeds-broken",
  });
  await headline(broken, "The seed profiles could not be read.");
  assert.equal(await mark(broken, "failure-code").textContent(), "DRY-1501");
  await judge(broken, "seeds-error");
});

test("the form: errors beside the fields, the password typed twice and gone, answers kept on the way back", async () => {
  const page = await visit("#/environment/production/seeds");
  await headline(page, "2 seeds can run here");
  await page.keyboard.press("Enter");
  await headline(page, "Avatar models asks for 6 answers.");
  await judge(page, "seed-form");
  await mark(page, "next-primary").click();
  await mark(page, "error-admin_email").waitFor();
  await mark(page, "error-admin_password").waitFor();
  assert.equal(
    await page.evaluate(() => document.activeElement.dataset.input),
    "admin_email",
    "the first mistake has the focus",
  );
  await judge(page, "seed-form-errors");
  await mark(page, "input-admin_email").fill("ada@example.com");
  await mark(page, "input-credits").fill("1000");
  await mark(page, "error-credits").getByText("At most 100.").waitFor();
  await mark(page, "input-credits").fill("12");
  await mark(page, "input-admin_password").fill("correct horse");
  await mark(page, "input-admin_password-repeat").fill("correct house");
  await page.keyboard.press("Enter");
  await page.getByText("The two are not the same.").waitFor();
  await mark(page, "input-admin_password-repeat").fill("correct horse");
  await page.keyboard.press("Enter");
  await mark(page, "input-admin_password-strength").waitFor();
  assert.ok(
    await page.evaluate(() =>
      [...document.querySelectorAll("input")].every(
        (input) => !input.value.includes("horse"),
      ),
    ),
    "the password has left the window",
  );
  await judge(page, "seed-form-filled");
  await dryRun(page);
  await mark(page, "plan-inputs").click();
  const inputs = await mark(page, "drawer").textContent();
  assert.match(inputs, /ada@example\.com/);
  assert.match(inputs, /only its hash is written/);
  await judge(page, "seed-inputs");
  await page.goBack();
  await page.goBack();
  await headline(page, "Avatar models asks for 6 answers.");
  assert.equal(
    await mark(page, "input-admin_email").inputValue(),
    "ada@example.com",
  );
});

test("a profile that is refused or broken cannot be tried, and the sandbox is offered", async () => {
  const page = await visit(
    "#/environment/production/seed/bundled%3Ademo-data",
  );
  await headline(page, "Demo data may not run here.");
  await judge(page, "seed-refused");
  await mark(page, "seed-sandbox").click();
  await headline(page, "Demo data asks for 1 answer.");
  assert.equal(await mark(page, "banner-name").textContent(), "demo");
  await mark(page, "input-scale").fill("5000");
  await mark(page, "next-primary").click();
  await mark(page, "error-scale").getByText("At most 1,000.").waitFor();

  const broken = await visit(
    `#/environment/production/seed/${encodeURIComponent("/home/ops/atelier/seeds/price-list")}`,
  );
  await headline(broken, "price-list has mistakes and cannot run.");
  await judge(broken, "seed-broken");
});

test("what ends after one went elsewhere moves nothing: a notice leads there", async () => {
  const refused = "#/environment/production/seed/bundled%3Ademo-data";
  const page = await visit(refused, { scenario: "late" });
  await mark(page, "seed-sandbox").click();
  await mark(page, "panel-migrations").click();
  const there = page.url();
  await mark(page, "elsewhere-follow").waitFor();
  assert.equal(page.url(), there, "the page under the hands stays");
  await page.getByText("The sandbox is ready.").waitFor();
  await judge(page, "elsewhere-ready");
  await mark(page, "elsewhere-follow").click();
  await headline(page, "Demo data asks for 1 answer.");
  assert.equal(await mark(page, "banner-name").textContent(), "demo");
  assert.equal(await mark(page, "elsewhere-follow").count(), 0);

  const failing = await visit(refused, { scenario: "late-fails" });
  await mark(failing, "seed-sandbox").click();
  await mark(failing, "panel-migrations").click();
  await mark(failing, "elsewhere-follow").waitFor();
  assert.equal(await mark(failing, "failure").count(), 0, "no failure stands on a page it is not of");
  await judge(failing, "elsewhere-failed");
  await mark(failing, "elsewhere-follow").click();
  await headline(failing, "Demo data may not run here.");
  await mark(failing, "failure").getByText("The sandbox did not start.").waitFor();
});

test("a refusal of the database is told above the form, and nothing is lost", async () => {
  const page = await visit(flags, { scenario: "seed-refused" });
  await headline(page, "Feature flags asks for nothing.");
  await mark(page, "next-primary").click();
  assert.equal(await mark(page, "failure-code").textContent(), "DRY-1219");
  await judge(page, "seed-row-refused");
});

test("the dry run shows every row: before struck, after boxed, hidden values hidden, the rest folded", async () => {
  const page = await visit(flags);
  await headline(page, "Feature flags asks for nothing.");
  await dryRun(page);
  await headline(page, "This seed would add 17 rows and change 4.");
  assert.equal(
    await page.locator('[data-kind="unchanged"]').count(),
    0,
    "what stays is folded",
  );
  await page.getByText("11 rows stay as they are").waitFor();
  const updated = page.locator('tr[data-kind="updated"]').first();
  assert.equal(await updated.locator(".before").textContent(), "4");
  assert.equal(await updated.locator(".after").textContent(), "5");
  await judge(page, "seed-dry-run");
  await mark(page, "rows-unfold").click();
  await page.locator('[data-kind="unchanged"]').first().waitFor();
  await mark(page, "show-inserted").click();
  await page.waitForFunction(
    () =>
      document.querySelectorAll("tr[data-kind]").length === 4 &&
      document.querySelectorAll('tr[data-kind="inserted"]').length === 4,
  );
  await mark(page, "sort-slug").click();
  await page.waitForFunction(() =>
    document
      .querySelector("tr[data-kind] .key")
      ?.textContent.includes("landscape-v1"),
  );
  await mark(page, "sort-slug").click();
  await page.waitForFunction(() =>
    document
      .querySelector("tr[data-kind] .key")
      ?.textContent.includes("upscale-4x"),
  );
  assert.equal(
    await page.locator('th[aria-sort="descending"]').count(),
    1,
    "the sorted column says so",
  );
});

test("keyboard: arrows choose a row, Enter opens it, Esc closes it, a slash searches", async () => {
  const page = await visit(flags);
  await headline(page, "asks for nothing");
  await dryRun(page);
  await page.locator("[data-row]").first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await mark(page, "drawer").getByText("slug sketch-lite").waitFor();
  await judge(page, "seed-row");
  await page.keyboard.press("Escape");
  assert.equal(await mark(page, "drawer").count(), 0);
  assert.equal(
    await page.evaluate(() => document.activeElement.dataset.row),
    "1",
    "the focus is kept",
  );
  await page.keyboard.press("End");
  await page.waitForFunction(
    () => document.activeElement.dataset.row === "5",
  );
  await page.keyboard.press("/");
  await mark(page, "rows-search").fill("portrait");
  await mark(page, "rows-found").getByText("2 rows found").waitFor();
  await mark(page, "rows-search").fill("nothing like it");
  await mark(page, "rows-empty").waitFor();
  await judge(page, "seed-rows-none-found");
  await page.keyboard.press("Escape");
  await page.locator("[data-row]").first().waitFor();
  await mark(page, "table-public.avatar_styles").click();
  await page.getByText("style-1", { exact: true }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.getByText("dark_mode", { exact: true }).waitFor();
});

test("a million changed rows scroll smoothly; only those in sight are drawn, both ends are reached", async () => {
  const page = await visit(flags, { scenario: "rows-many" });
  await headline(page, "asks for nothing");
  await dryRun(page);
  await page.locator("[data-row]").first().waitFor();
  assert.equal(
    await mark(page, "rows-table").getAttribute("aria-rowcount"),
    "1000001",
  );
  const { middle, slow, drawn, nodes } = await page.evaluate(async () => {
    const scroller = document.querySelector('[data-testid="rows-scroller"]');
    const frames = [];
    let drawn = 0;
    let last = performance.now();
    const step = async (top) => {
      scroller.scrollTop = top;
      await new Promise((frame) => requestAnimationFrame(frame));
      const now = performance.now();
      frames.push(now - last);
      last = now;
      drawn = Math.max(drawn, document.querySelectorAll("[data-row]").length);
    };
    for (let at = 0; at < 100; at += 1) await step(scroller.scrollTop + 90);
    for (let at = 0; at < 60; at += 1)
      await step((scroller.scrollHeight / 60) * at);
    frames.sort((one, other) => one - other);
    return {
      middle: frames[Math.floor(frames.length / 2)],
      slow: frames[Math.floor(frames.length * 0.95)],
      drawn,
      nodes: document.querySelectorAll("*").length,
    };
  });
  assert.ok(drawn < 60, `${drawn} rows are drawn at a time`);
  assert.ok(nodes < 2500, `${nodes} elements are on the page`);
  assert.ok(
    middle < 34,
    `half of the frames take at most ${middle.toFixed(0)} ms`,
  );
  assert.ok(slow < 120, `19 of 20 frames take at most ${slow.toFixed(0)} ms`);
  await page.locator("[data-row]").first().focus();
  await page.keyboard.press("End");
  await page.getByText("event-1000000", { exact: true }).waitFor();
  assert.equal(
    await page.evaluate(() => document.activeElement.dataset.row),
    "999999",
  );
  await page.keyboard.press("ArrowUp");
  await page.waitForFunction(
    () => document.activeElement.dataset.row === "999998",
  );
  await judge(page, "seed-million");
  await page.keyboard.press("Home");
  await page.getByText("event-1", { exact: true }).waitFor();
  await page.evaluate(() => {
    const scroller = document.querySelector('[data-testid="rows-scroller"]');
    scroller.scrollTop = scroller.scrollHeight;
  });
  await page.getByText("event-1000000", { exact: true }).waitFor();
});

test("wheel by wheel from the middle every row comes, and none twice", async () => {
  const page = await visit(flags, { scenario: "rows-many" });
  await headline(page, "asks for nothing");
  await dryRun(page);
  await page.locator("[data-row]").first().waitFor();
  const gaps = await page.evaluate(async () => {
    const scroller = document.querySelector('[data-testid="rows-scroller"]');
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const rows = () =>
      [...document.querySelectorAll("tr[aria-rowindex]:not([aria-rowindex='1'])")]
        .map((row) => [Number(row.getAttribute("aria-rowindex")), row.getBoundingClientRect().top])
        .filter(([, top]) => top > 0);
    scroller.scrollTop = scroller.scrollHeight / 2;
    await new Promise((done) => setTimeout(done, 400));
    const wrong = [];
    for (let at = 0; at < 40; at += 1) {
      const before = new Map(rows());
      scroller.scrollTop += 72;
      await frame();
      await frame();
      for (const [row, top] of rows()) {
        const was = before.get(row);
        if (was !== undefined && Math.abs(was - top - 72) > 2)
          wrong.push([row, was - top]);
      }
      if (at % 10 === 9) await new Promise((done) => setTimeout(done, 300));
    }
    return wrong;
  });
  assert.deepEqual(gaps, [], "rows move by as much as the wheel does");
});

test("hostile texts are texts: nothing in them is run, hidden or reordered; NULL, empty and 'NULL' differ", async () => {
  const page = await visit(flags, { scenario: "rows-hostile" });
  await headline(page, "asks for nothing");
  await dryRun(page);
  await page.locator("[data-row]").first().waitFor();
  const board = mark(page, "row-board");
  assert.equal(await board.locator("img, script, b, i.x").count(), 0);
  assert.equal(await page.title(), "This seed would add 6 rows, change 2 and delete 1. - Drydock");
  const text = await board.textContent();
  for (const part of ["<img src=x", "⟨ESC⟩[31m", "⟨RLO⟩evil⟨PDF⟩", "=HYPERLINK", "שלום", "10,000 characters", "··two before", "a⇥b↵c"])
    assert.ok(text.includes(part), part);
  const row = page.locator('tr[data-kind="updated"]').first();
  assert.equal(await row.locator(".null").count(), 1, "NULL is a label");
  assert.equal(await row.locator(".nothing").count(), 2, "an empty text is an empty box");
  assert.equal(
    await row.getByText("NULL", { exact: true }).count(),
    2,
    "and the text NULL is a text",
  );
  await judge(page, "seed-hostile");
  await page.locator('[data-row="2"]').click();
  await mark(page, "drawer").getByText("10,000 characters; the first 8,000 are here").waitFor();
  await judge(page, "seed-hostile-row");
  await page.keyboard.press("Escape");
  await mark(page, "rows-export").click();
  await mark(page, "export-dialog").waitFor();
  await judge(page, "seed-export");
  await mark(page, "export-csv").check();
  await mark(page, "export-write").click();
  assert.match(
    await mark(page, "export-path").textContent(),
    /Downloads\/.*\.csv$/,
    "the path is shown",
  );
  await judge(page, "seed-exported");
  await mark(page, "export-close").click();
  await mark(page, 'table-public.odd"; DROP TABLE \u202ex').click();
  await page.getByText("no key").waitFor();
  assert.ok((await board.textContent()).includes("⟨RLO⟩x"));
});

test("what is not known is unknown, and what the profile does not name is marked", async () => {
  const page = await visit(flags, { scenario: "rows-unknown" });
  await headline(page, "asks for nothing");
  await dryRun(page);
  await page.getByText("Also reached, by triggers or cascades").waitFor();
  await judge(page, "seed-unknown");
  await mark(page, "table-public.search_index").click();
  await page
    .getByText("It is not known which rows of this table change.")
    .waitFor();
  await judge(page, "seed-unknown-table");
  await mark(page, "table-public.totals").click();
  await page.getByText("The table was emptied as a whole.").waitFor();
});

test("nothing to change says so, and there is nothing to apply", async () => {
  const page = await visit(flags, { scenario: "rows-none" });
  await headline(page, "asks for nothing");
  await dryRun(page);
  await headline(page, "This seed would change nothing.");
  assert.match(
    await mark(page, "next-title").textContent(),
    /nothing to apply/,
  );
  await judge(page, "seed-nothing");
  await mark(page, "next-primary").click();
  await headline(page, "can run here");
});

test("a dry run at work counts rows and names the table; what stopped it is told", async () => {
  const page = await visit(flags, { scenario: "lock" });
  await headline(page, "asks for nothing");
  await mark(page, "next-primary").click();
  await headline(page, "Trying the seed. It will be taken back.");
  await page.getByText("of 21 rows").waitFor();
  await judge(page, "seed-run-live");
});

test("production: reason and name, apply, what it did, its rows, the way back", async () => {
  const page = await visit(flags);
  await headline(page, "asks for nothing");
  await dryRun(page);
  await mark(page, "next-primary").click();
  await mark(page, "apply-dialog").getByText("adds 4 rows and changes 2").waitFor();
  await mark(page, "confirm-reason").fill("The provider's backup of 02:00");
  await mark(page, "confirm-name").fill("atelier-production");
  await judge(page, "seed-confirm");
  await mark(page, "confirm-apply").click();
  await headline(page, "The seed is in: it added 17 rows and changed 4.");
  await mark(page, "run-changed").waitFor();
  await mark(page, "run-checks").waitFor();
  await judge(page, "seed-run-ended");
  await mark(page, "run-rows").click();
  await headline(page, "added 17 rows and changed 4.");
  await mark(page, "row-board").waitFor();
  await judge(page, "run-rows");
  await mark(page, "run-undo").click();
  await headline(page, "can be taken back");
});

test("a profile that deletes asks for its own tick", async () => {
  const page = await visit("#/environment/fresh/seed/bundled%3Ademo-data");
  await headline(page, "Demo data asks for 1 answer.");
  await dryRun(page);
  await mark(page, "next-primary").click();
  await mark(page, "confirm-tick").waitFor();
  assert.equal(
    await mark(page, "confirm-apply").getAttribute("aria-disabled"),
    "true",
  );
});
