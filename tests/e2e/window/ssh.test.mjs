// The first journey through an SSH login in the real window: the host's key compared, the doctor, status,
// dry run, apply of 40 migrations, runs; once with the operator's own ssh and an alias, once with a password.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { axe, follow } from "../lib/demo.mjs";
import { KEY, Window, pause, repository } from "../lib/webdriver.mjs";

const pictures = join(repository, "target/ssh");
let lab;
let facts;
let home;

before(async () => {
  await rm(pictures, { recursive: true, force: true });
  await mkdir(pictures, { recursive: true });
  lab = spawn(join(repository, "target/debug/drydock-lab"), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = await new Promise((done, failed) => {
    createInterface({ input: lab.stdout }).once("line", (text) => done([text]));
    lab.once("exit", (code) => failed(new Error(`the lab ended: ${code}`)));
  });
  facts = JSON.parse(line);
  home = await mkdtemp(join(tmpdir(), "drydock-home-"));
  await mkdir(join(home, ".ssh"), { mode: 0o700 });
  const alias = `Host harbour\n  HostName ${facts.host}\n  Port ${facts.port}\n  User ${facts.user}\n  IdentityFile ${facts.key}\n`;
  await writeFile(join(home, ".ssh/config"), alias, { mode: 0o600 });
  for (let number = 0; number < 40; number += 1) {
    const folder = join(
      home,
      `project/prisma/migrations/${String(number).padStart(3, "0")}_step`,
    );
    await mkdir(folder, { recursive: true });
    const sql =
      number === 30
        ? "CREATE INDEX CONCURRENTLY t5_id ON t5 (id);"
        : `CREATE TABLE t${number} (id int PRIMARY KEY);`;
    await writeFile(join(folder, "migration.sql"), sql);
  }
  await writeFile(
    join(home, "project/prisma/migrations/migration_lock.toml"),
    'provider = "postgresql"\n',
  );
});

after(async () => {
  lab?.stdin.end();
  if (home) await rm(home, { recursive: true, force: true });
});

const fill = async (window, selector, text) => {
  await window.wait(selector);
  await window.run(
    "const field = document.querySelector(arguments[0]); field.value = ''; field.dispatchEvent(new Event('input', { bubbles: true }))",
    selector,
  );
  await window.type(selector, text);
};

const mark = (name) => `[data-testid=${name}]`;

async function everyFile(folder) {
  const found = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isDirectory()) found.push(...(await everyFile(path)));
    else if (entry?.isFile()) found.push(path);
  }
  return found;
}

/** From the first start to "all migrations are in". `login` fills in how to log in. */
async function journey(name, database, login) {
  const window = await Window.open({
    environment: { HOME: home, SSH_AUTH_SOCK: "" },
  });
  let number = 0;
  const picture = async (what) => {
    number += 1;
    await window.screenshot(
      join(
        pictures,
        `${name}-${String(number).padStart(2, "0")}-${what.replace(/\W+/g, "-")}.png`,
      ),
    );
    assert.deepEqual(await axe(window), [], `axe on ${what}`);
    assert.equal(
      await window.run(
        "return document.documentElement.scrollWidth > innerWidth",
      ),
      false,
      `${what} scrolls sideways`,
    );
  };
  try {
    await window.resize(1280, 720);
    await window.click(mark("first-start-ssh"));
    await login(window);
    await picture("host");
    await window.click(mark("next-primary"));
    await window.wait(mark("host-key-unknown"), { seconds: 20 });
    const shown = (await window.text(mark("host-key-shown"))).replace(
      /\s+/g,
      "",
    );
    assert.ok(
      shown.includes(facts.fingerprint.replace(/^SHA256:/, "")),
      `the host's own fingerprint is shown: ${shown}`,
    );
    await window.type(mark("host-key-pasted"), facts.fingerprint);
    await picture("host key");
    await window.click(mark("host-key-trust"));
    await window.wait(mark("ssh-start-database"), { seconds: 20 });
    await fill(window, "#direct-port", facts.database_port);
    await fill(window, "#direct-database", database);
    await fill(window, "#direct-user", facts.database_user);
    await window.type(mark("direct-password-secret"), facts.database_password);
    await picture("database");
    await window.click(mark("next-primary"));
    await window.wait(mark("name"), { seconds: 30 });
    await picture("tested");
    await fill(window, mark("name"), name);
    await window.run(
      "document.querySelector('[data-testid=tier-development]').click()",
    );
    await window.press(KEY.tab);
    await window.click(mark("next-primary"));
    await window.waitText(mark("banner-line"), /open/i, 20);
    await picture("overview");
    await window.run(
      "location.hash = location.hash.replace(/overview$/, 'edit')",
    );
    await fill(window, "#environment-folder", join(home, "project"));
    await window.press(KEY.tab);
    await picture("form");
    await window.click(mark("next-primary"));
    await pause(1500);
    await window.run(
      "location.hash = location.hash.replace(/edit$/, 'overview')",
    );
    await window.waitText(mark("headline"), /40|wait/i, 20);
    const passed = await follow(window, { onStep: picture });
    assert.match(passed.at(-1).headline, /All 40 migrations are in/);
    await window.run(
      "location.hash = location.hash.replace(/overview$/, 'doctor')",
    );
    await window.waitText(mark("headline"), /reached/i, 30);
    await picture("doctor");
    const struck = Date.now();
    lab.stdin.write("freeze\n");
    await window.waitText(mark("banner-line"), /lost/i, 15);
    assert.ok(
      Date.now() - struck < 12_000,
      "a lost line is said in the banner, looked at every two seconds",
    );
    await window.waitText(mark("headline"), /lost after this test/i, 5);
    await picture("lost");
    lab.stdin.write("thaw\n");
    await window.click(mark("next-primary"));
    await window.waitText(mark("headline"), /is reached/i, 30);
    await window.waitText(mark("banner-line"), /open/i, 30);
    for (const secret of [facts.password, facts.database_password]) {
      assert.ok(
        !(
          await window.run("return document.documentElement.outerHTML")
        ).includes(secret),
        "no password is in the page",
      );
      for (const file of await everyFile(window.data)) {
        assert.ok(
          !(await readFile(file)).includes(secret),
          `${file} holds no password`,
        );
      }
    }
  } finally {
    await window
      .screenshot(join(pictures, `${name}-99-end.png`))
      .catch(() => {});
    await window.close();
  }
}

test("an alias of the operator's own ssh leads to a migrated database", async () => {
  await journey("own-ssh", "shop", async (window) => {
    await window.type(mark("ssh-host"), "harbour");
    await window.press(KEY.tab);
  });
});

test("a password from the form, by the built-in ssh, leads to a migrated database", async () => {
  await journey("built-in", "shop_too", async (window) => {
    await window.type(
      mark("ssh-host"),
      `${facts.user}@${facts.host}:${facts.port}`,
    );
    await window.press(KEY.tab);
    await window.run(
      "[...document.querySelectorAll('[data-testid=ssh-login] button')].find((button) => /password/i.test(button.innerText)).click()",
    );
    await window.type(mark("ssh-secret"), facts.password);
    await window.press(KEY.enter);
    await window.wait(mark("ssh-kept"));
  });
});
