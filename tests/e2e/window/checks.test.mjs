// Checks of the app in the real window, against a real app on this computer: set up, verified, a fault found, a check
// written in the editor; and a profile that asks the app to write. The folder's own dialog is the desktop's and is not
// driven; its answer is handed to the shell instead.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { axe } from "../lib/demo.mjs";
import { KEY, Window, repository } from "../lib/webdriver.mjs";

const pictures = join(repository, "target/checks");
const PASSWORD = "correct-horse-battery";
const mark = (name) => `[data-testid="${name}"]`;
const PRIMARY = `${mark("next-primary")}:not(:disabled):not([aria-disabled=true]):not([aria-busy=true])`;

const SUITE = `title = "Atelier"

[[credentials]]
name = "qa_password"
label = "Password of qa@example.com"

[[expect]]
name = "Health"
[expect.http]
get = "/health"
within_ms = 5000
expect = [ { json = "$.status", equals = "ok" } ]

[[expect]]
name = "An avatar costs 1 credit"
[expect.http]
part = "functional"
writes_as = "qa@example.com"
[[expect.http.steps]]
name = "Sign in"
post = "/api/login"
json = { email = "qa@example.com", password = "{{qa_password}}" }
keep = { token = { json = "$.token" } }
[[expect.http.steps]]
name = "Credits before"
get = "/api/me"
headers = { Authorization = "Bearer {{token}}" }
keep = { credits = { json = "$.credits" } }
[[expect.http.steps]]
name = "Make it"
post = "/api/avatars"
headers = { Authorization = "Bearer {{token}}" }
json = { name = "Check" }
status = 202
keep = { avatar = { json = "$.id" } }
[[expect.http.steps]]
name = "Credits after"
get = "/api/me"
headers = { Authorization = "Bearer {{token}}" }
expect = [ { json = "$.credits", changed_by = -1, since = "credits" } ]
[[expect.http.cleanup]]
name = "Remove it"
delete = "/api/avatars/{{avatar}}"
headers = { Authorization = "Bearer {{token}}" }
`;

const PROFILE = `title = "Flags by the app"
description = "The app makes its own flags."
engines = ["postgresql"]
tiers = ["development"]

[[credentials]]
name = "qa_password"
label = "Password of qa@example.com"

[http]
counts = ["_prisma_migrations"]
repeatable = true

[[http.steps]]
name = "Sign in"
post = "/api/login"
json = { email = "qa@example.com", password = "{{qa_password}}" }

[[http.steps]]
name = "Look for flags"
get = "/api/search?q=flags"
`;

let window, app, address, folder, environment;

const ask = (path) => fetch(`${address}/lab/${path}`, { method: "POST" });
const shell = async (command, args) => {
  const answer = await window.runAsync(
    "const [command, args, done] = arguments; window.__TAURI_INTERNALS__.invoke(command, args).then((found) => done({ found }), (failure) => done({ failure }))",
    command,
    args,
  );
  assert.equal(answer.failure, undefined, JSON.stringify(answer.failure));
  return answer.found;
};

/** Takes a picture and judges it. */
async function seen(name) {
  await window.screenshot(join(pictures, `${name}.png`));
  assert.deepEqual(await axe(window), [], `axe on ${name}`);
  const wide = await window.run("return document.documentElement.scrollWidth > innerWidth");
  assert.equal(wide, false, `${name} scrolls sideways`);
}

before(async () => {
  await rm(pictures, { recursive: true, force: true });
  await mkdir(pictures, { recursive: true });
  folder = await mkdtemp(join(tmpdir(), "drydock-checks-"));
  await mkdir(join(folder, "checks"));
  await mkdir(join(folder, "profile"));
  await writeFile(join(folder, "checks/atelier.toml"), SUITE);
  await writeFile(join(folder, "profile/profile.toml"), PROFILE);
  app = spawn(process.execPath, [join(repository, "tests/lab/app.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise((done) => app.stdout.once("data", (line) => done(String(line).trim())));
  address = `http://127.0.0.1:${port}`;
  window = await Window.open({ environment: { XDG_DOWNLOAD_DIR: pictures } });
  await window.resize(1280, 720);
  await window.click(mark("first-start-sandbox"));
  await window.click(PRIMARY);
  await window.waitText(mark("headline"), /migration/i, 60);
  environment = (await shell("environments_list", {}))[0].id;
});

after(async () => {
  await window?.close();
  app?.kill();
  await rm(folder, { recursive: true, force: true });
});

test("an app is set up, its checks hold, a fault turns red with its words", async () => {
  await shell("check_folder_add", { environmentId: environment, folder: join(folder, "checks") });
  await window.click(mark("panel-verification"));
  await window.click(mark("view-setup"));
  await window.wait(mark("check-files"));
  await window.type(mark("check-app"), address);
  await window.click(mark("check-app-save"));
  await window.click(mark("credential-set-qa_password"));
  await window.type(mark("credential-secret"), PASSWORD);
  await seen("1-credential");
  await window.click(mark("credential-save"));
  await window.waitText(mark("credential-qa_password"), /kept nowhere, entered at each start/);
  await seen("2-set-up");
  await window.click(mark("view-checks"));
  await window.click(PRIMARY);
  await window.waitText(mark("headline"), /All 2 checks hold/, 60);
  await seen("3-hold");
  const state = await (await ask("state")).json();
  assert.deepEqual([state.credits, state.avatars], [5, 0], "the check took back what it wrote");

  await ask("fault/lost-credits");
  await window.click(mark("verify-again") + ", " + PRIMARY);
  await window.waitText(mark("headline"), /1 of 2 checks hold/, 60);
  await window.click(mark("check-An avatar costs 1 credit"));
  await window.waitText(mark("drawer"), /Expected a change by -1, found 0/);
  await seen("4-lost-credits");
  await ask("well");
  const page = await window.run("return document.documentElement.outerHTML");
  assert.ok(!page.includes(PASSWORD) && !page.includes("0123456789abcdef"), "neither password nor token is in the page");
  await window.press(KEY.escape);
});

test("a mistake in a file is told by its line while it is typed, and only a sound file is saved", async () => {
  await window.click(mark("view-setup"));
  await window.click(mark("check-edit-atelier.toml"));
  await window.wait(mark("check-text"));
  await window.run(
    "const text = document.querySelector('[data-testid=check-text]'); text.value = text.value.replace('get = \"/health\"', 'gte = \"/health\"'); text.dispatchEvent(new Event('input', { bubbles: true }))",
  );
  await window.waitText(mark("check-problems"), /no key gte/, 10);
  await seen("5-mistake");
  await window.run(
    "const text = document.querySelector('[data-testid=check-text]'); text.value = text.value.replace('gte = \"/health\"', 'get = \"/health\"').replace('name = \"Health\"', 'name = \"The app is well\"'); text.dispatchEvent(new Event('input', { bubbles: true }))",
  );
  await window.waitText(mark("check-saved"), /not saved/, 10);
  await window.press(KEY.control, "s");
  await window.wait(mark("check-files"));
  await window.click(mark("view-checks"));
  await window.click(mark("verify-again"));
  await window.wait(mark("check-The app is well"), { seconds: 60 });
});

test("a profile that asks the app shows its requests, is confirmed, and tells what it counted", async () => {
  await shell("seed_folder_add", { environmentId: environment, folder: join(folder, "profile") });
  await window.click(mark("panel-seeds"));
  await window.click(mark("profile-Flags by the app"));
  await window.click(mark("profile-fill"));
  await window.waitText(mark("headline"), /asks for nothing/i, 30);
  await seen("6-profile");
  await window.click(PRIMARY);
  await window.waitText(mark("headline"), /asks the app to write, by 2 requests/i, 30);
  await window.wait(mark("call-requests"));
  await seen("7-requests");
  await window.click(PRIMARY);
  await window.wait(mark("apply-dialog"));
  for (let ticks = await window.count(mark("confirm-tick")); ticks > 0; ticks -= 1) await window.click(mark("confirm-tick"));
  await seen("8-confirm");
  await window.click(mark("confirm-apply"));
  await window.waitText(mark("headline"), /answered every request as expected/i, 60);
  await window.waitText("body", /_prisma_migrations: \d+ rows, as before/, 10);
  await seen("9-ended");
});
