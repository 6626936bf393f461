/**
 * Drives the window's fake build in Debian's Chromium, under the product's own content security policy.
 *
 *   cd ui && npm ci && npm run build:fake && cd .. && node --test --test-concurrency=2 tests/e2e/ui/*.test.mjs
 *
 * Pictures of every screen go to target/screenshots/ui.
 *
 * Marks the tests (and the real window's tests) hold on to, as `data-testid`:
 *   frame       headline, lead, banner-name, banner-edit, drawer, drawer-close, said, loading, empty
 *   next step   next-bar, next-title, next-detail, next-primary
 *   rail        rail-env-<name>, rail-add, panel-<overview|release-desk|migrations|drift|seeds|backups|verification|
 *               activity|app-and-logs|runs|incident-room|settings>, open-palette
 *   palette     palette, palette-search, key-help
 *   failures    failure, failure-action, failure-code, elsewhere-follow
 *   questions   prompt-<vault|secret|ssh_secret|repin>, prompt-text, prompt-send
 *   host asks   host-question, host-question-text, host-question-send, offer
 *   host key    host-key-unknown, host-key-shown, host-key-pasted, host-key-ticked, host-key-trust, host-key-keep,
 *               host-key-stop, host-key-copy
 *   ssh login   ssh-host, ssh-user, ssh-port, ssh-login, ssh-secret, ssh-kept, ssh-jump-add, ssh-choice, host-key-pins;
 *               a jump host's: ssh-jump-<0..>-<host|user|port|login|secret|kept|remove>
 *   line        banner-line, line-state (with data-tone), line-test
 *   first start first-start-<address|ssh|coolify|digitalocean|supabase|sandbox>, address, read-out, name, tier-<tier>,
 *               ssh-start-<host|database>
 *   overview    card-<connection|migrations|drift|seeds|backups|verification|checklist|activity|app_and_logs|runs>
 *   connection  hops, leg-<computer|ssh|from-ssh|database>, hop-<kind>, hop-<kind>-<jump host>
 *   migrations  migrations-table, unfold; rows carry data-row="<name>"
 *   repair      statements, way-<purpose>
 *   drift       differences
 *   plan        totals, gates, gate-<kind>, apply-dialog, confirm-tick, confirm-reason, confirm-name, confirm-apply,
 *               confirm-keep
 *   seeds       profile-<title>, profile-fill, seed-folder-add, seed-folders, seed-folder-remove-<0..>; the next step's
 *               button fills in the form
 *   seed form   profile-form, input-<name>, input-<name>-<choice>, input-<name>-repeat, input-<name>-<taken|strength|
 *               replace>, input-scale, error-<name|scale>, problems, refused, seed-sandbox
 *   rows        row-board, table-counts, table-<schema.table>, rows-table, rows-scroller, show-<all|inserted|updated|
 *               deleted|same>, sort-<column>, rows-find, rows-search, rows-found, rows-columns, rows-unfold, rows-empty,
 *               rows-foot, row-findings, plan-inputs, untried; rows carry data-row="<place>" and tr data-kind="<kind>"
 *   export      rows-export, export-dialog, export-<csv|json|html>, export-write, export-path, export-close
 *   undo        run-undo, way-back, way-back-undo, run-rows, run-changed, run-changed-rows, undo-conflicts,
 *               conflict-<row>, keep-<row>, take-<row>, undo-all, undo-tally, undo-impossible
 *   backups     backup-table, backup-<id>, show-<all|deep|quick|open>, none-shown, key-risk, key-export-now,
 *               backups-foot, backups-keep, backups-keys; rows carry data-backup="<id>"
 *   evidence    proof-facts (lines carry data-outcome), backup-origin, backup-tables, backup-tables-all, backup-restore,
 *               backup-prove, backup-remove, remove-dialog, confirm-remove
 *   back up     take-dialog, kind-<deep|quick>, extent-<whole|schemas|tables>, tables-typed, schemas-typed,
 *               table-search, tick-<table>, backup-preview, refusals, take-prove, prove-later, take-start, take-keep,
 *               moved, run-stored, run-proof, run-open-backup
 *   keeping     keeping-dialog, policy-<field>, policy-folder, policy-pick, policy-daily, policy-time, policy-wrong,
 *               policy-save
 *   keys        keys-dialog, public-key, key-exported, keys-<export|import>, key-folder, key-file, key-passphrase,
 *               key-repeat, key-hint, key-written, key-import-file, key-import-passphrase, keys-send, keys-close
 *   restore     restore-dialog, restore-steps, restore-<everything|tables|rows>, restore-table, restore-keys,
 *               restore-is-other, restore-other, loss-table, loss-again, obstacles, into-<target|swap|new_database>,
 *               restore-name, restore-stake, restore-closed, restore-some, restore-back, restore-on, restore-keep,
 *               restore-apply
 *   checks      check-table, check-<name>, check-history, verify-again, run-checks, view-<checks|ask|setup>,
 *               checks-setup, query-text, query-run, query-note, query-table, query-empty
 *   app checks  requests, request-<0..>, writes, run-check, writing-dialog, writing-tick-<0..>, writing-run,
 *               writing-without, writing-keep; ids that were let write are in globalThis.fakeVerified
 *   set-up      check-files, check-folder-add, check-folder-remove-<0..>, check-file-<file>, check-edit-<file>,
 *               check-file-new, new-file-dialog, new-file-name, new-file-begin, check-app-panel, check-app,
 *               check-app-save, check-credentials, credential-<name>, credential-set-<name>, credential-secret,
 *               credential-save
 *   check file  check-editor, check-text, check-saved, check-problems, check-problems-told, check-problem-<0..>,
 *               check-editor-close, check-add, check-form, draft-<field>, draft-kind-<app|count|no_row>, draft-add,
 *               leave-dialog, leave-keep, leave-go
 *   desk        stages, stage-<stage> (with data-state), open-<stage>, item-<list>/<id> (with data-state),
 *               evidence-<item>, say-<item>, said-<item>, unsay-<item>, from-<item>, watch, desk-foot, desk-age,
 *               desk-read, desk-freeze, put-away, show-plan, desk-empty, earlier, to-desk (on a plan); ticks carry
 *               data-tick
 *   desk asks   say-dialog, say-name, say-note, say-confirm, say-keep, put-away-dialog, put-away-reason,
 *               confirm-put-away, put-away-keep
 *   freeze      banner-writes, banner-freeze, freeze-dialog, freeze-<here|everywhere>, freeze-why, confirm-freeze,
 *               freeze-keep, lift-dialog, lift-name, lift-stays, confirm-lift, lift-keep
 *   run         run-status (with data-status), run-steps, waiting, cancel-run, cancel-dialog, confirm-cancel, accounts
 *   runs        runs-search, runs-table, run-<number>
 *   environment direct-paste, runtime-paste, direct-password-<secret|kept>, runtime-password-<secret|kept>,
 *               transport-<direct|ssh>, environment-duplicate, environment-delete, delete-dialog, delete-name,
 *               confirm-delete
 *   settings    sandbox-state, sandbox-start, sandbox-stop, sandbox-reset, reset-dialog, vault-passphrase,
 *               vault-repeat, vault-create, vault-unlock, audit-verify
 */
import assert from "node:assert/strict";
import { createReadStream, mkdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const require = createRequire(join(root, "ui/package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const built = join(root, "ui/dist-fake");
const pictures = join(root, "target/screenshots/ui");

const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".woff2": "font/woff2",
};
/** As in tauri.conf.json, without the parts that only the desktop window has. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; object-src 'none'";

export const small = { width: 1280, height: 720 };
export const large = { width: 1920, height: 1080 };

/** Opens a browser on the fake build; everything is closed when the test file ends. */
export async function openWindow(after) {
  mkdirSync(pictures, { recursive: true });
  const server = createServer((request, response) => {
    const path = normalize(
      decodeURIComponent(new URL(request.url, "http://x").pathname),
    ).replace(/^(\.\.[/\\])+/, "");
    const file = join(built, path === "/" ? "index.html" : path);
    if (path === "/favicon.ico") {
      response.writeHead(204).end();
      return;
    }
    try {
      statSync(file);
    } catch {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
      "content-security-policy": policy,
    });
    createReadStream(file).pipe(response);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
  });
  const address = `http://127.0.0.1:${server.address().port}/`;
  after(async () => {
    await browser.close();
    server.close();
  });

  /** A page at a place; what it complains about fails the test that asks. */
  return async function visit(
    place,
    { scenario = "", pace = 20, size = small, scheme = "light" } = {},
  ) {
    const context = await browser.newContext({
      viewport: size,
      colorScheme: scheme,
      reducedMotion: "reduce",
    });
    const page = await context.newPage();
    page.complaints = [];
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on(
      "console",
      (message) =>
        message.type() === "error" && page.complaints.push(message.text()),
    );
    await page.goto(`${address}?scenario=${scenario}&pace=${pace}${place}`);
    await page.getByTestId("headline").waitFor();
    return page;
  };
}

export const mark = (page, name) => page.getByTestId(name);

export async function headline(page, expected) {
  await page
    .waitForFunction(
      (text) =>
        document
          .querySelector('[data-testid="headline"]')
          ?.textContent?.includes(text),
      expected,
      { timeout: 8000 },
    )
    .catch(async () => {
      assert.equal(
        await mark(page, "headline").textContent(),
        expected,
        "the headline answers the screen's question",
      );
    });
}

/** What axe finds. In the dark only what colours tell can be another matter than in the light. */
async function violations(page, scheme) {
  if (await page.evaluate(() => globalThis.axe === undefined))
    await page.evaluate(axe);
  return page.evaluate(async (isDark) => {
    const found = await globalThis.axe.run(document, {
      runOnly: isDark
        ? { type: "rule", values: ["color-contrast", "link-in-text-block"] }
        : [
            "wcag2a",
            "wcag2aa",
            "wcag21a",
            "wcag21aa",
            "wcag22aa",
            "best-practice",
          ],
      resultTypes: ["violations"],
    });
    return found.violations.map(
      (one) =>
        `${one.id}: ${one.nodes
          .slice(0, 4)
          .map(
            (node) =>
              `${node.target.join(" ")} (${node.any[0]?.message ?? node.failureSummary})`,
          )
          .join("; ")}`,
    );
  }, scheme === "dark");
}

export async function noSidewaysScroll(page) {
  const over = await page.evaluate(() => {
    const frame = document.documentElement;
    const main = document.querySelector("main");
    return [
      frame.scrollWidth - frame.clientWidth,
      main === null ? 0 : main.scrollWidth - main.clientWidth,
    ];
  });
  assert.deepEqual(
    over.map((pixels) => pixels > 0),
    [false, false],
    `the page scrolls sideways by ${over} pixels`,
  );
}

/** Pictures in light and dark at both sizes; axe finds nothing, nothing scrolls sideways, nothing complains. */
export async function judge(page, name) {
  for (const size of [small, large])
    for (const scheme of ["light", "dark"]) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await page.evaluate(() => document.fonts.ready);
      await page.waitForTimeout(60);
      await page.screenshot({
        path: join(
          pictures,
          `${name}-${scheme}${size === large ? "-1920" : ""}.png`,
        ),
      });
      await noSidewaysScroll(page);
      if (size === small)
        assert.deepEqual(
          await violations(page, scheme),
          [],
          `axe finds nothing on ${name}, ${scheme}`,
        );
    }
  /* 200 % zoom on 1280x720 */
  await page.setViewportSize({ width: 640, height: 360 });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.waitForTimeout(60);
  await page.screenshot({ path: join(pictures, `${name}-zoomed.png`) });
  await noSidewaysScroll(page);
  await page.setViewportSize(small);
  assert.deepEqual(
    page.complaints,
    [],
    "no error and no breach of the content security policy",
  );
}
