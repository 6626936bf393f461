// The window on its sandbox: opened, looked at, and worked beside by somebody else.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { axe } from "./demo.mjs";
import { Window, repository } from "./webdriver.mjs";

export const mark = (name) => `[data-testid="${name}"]`;
export const PRIMARY = `${mark("next-primary")}:not(:disabled):not([aria-disabled=true]):not([aria-busy=true])`;
const PASSPHRASE = "mossy lantern orbit forty two";

export class Sandbox {
  #pictures;
  #taken = 0;

  /** Opens the window on its sandbox; pictures go to `target/NAME`. */
  static async open(name) {
    const sandbox = new Sandbox();
    sandbox.#pictures = join(repository, "target", name);
    await rm(sandbox.#pictures, { recursive: true, force: true });
    await mkdir(sandbox.#pictures, { recursive: true });
    sandbox.window = await Window.open();
    await sandbox.window.resize(1280, 720);
    await sandbox.window.click(mark("first-start-sandbox"));
    await sandbox.window.click(PRIMARY);
    await sandbox.window.waitText(mark("headline"), /migration/i, 60);
    return sandbox;
  }

  /** Takes a picture and judges it. */
  async seen(name) {
    this.#taken += 1;
    await this.window.screenshot(join(this.#pictures, `${String(this.#taken).padStart(2, "0")}-${name}.png`));
    assert.deepEqual(await axe(this.window), [], `axe on ${name}`);
    const wide = await this.window.run("return document.documentElement.scrollWidth > innerWidth");
    assert.equal(wide, false, `${name} scrolls sideways`);
  }

  /** Presses the next button. */
  async next() {
    await this.window.wait(PRIMARY, { seconds: 120 });
    await this.window.click(PRIMARY);
  }

  /** A vault, for the key of backups; ends on the Settings panel. */
  async makeVault() {
    await this.window.click(mark("panel-settings"));
    await this.window.type(mark("vault-passphrase"), PASSPHRASE);
    await this.window.type(mark("vault-repeat"), PASSPHRASE);
    await this.window.click(mark("vault-create"));
    await this.window.waitText("body", /unlocked/i, 30);
  }

  /** Ticks all that a dialog asks to be ticked, and gives a reason where one is asked for. */
  async tickAll(reason) {
    await this.window.wait(mark("apply-dialog"), { seconds: 60 });
    await this.window.run(`for (const tick of document.querySelectorAll('${mark("confirm-tick")}')) if (!tick.checked) tick.click()`);
    if (reason !== undefined && (await this.window.count(mark("confirm-reason"))) > 0) await this.window.type(mark("confirm-reason"), reason);
  }

  /** Presses the dialog's own button and waits until it is gone. */
  async confirm() {
    await this.window.click(mark("confirm-apply"));
    await this.window.wait(mark("apply-dialog"), { gone: true, seconds: 60 });
  }

  /** The folder of the sandbox's socket. */
  get socket() {
    const folder = join(this.window.data, "sandbox");
    const name = createHash("sha256").update(folder).digest("hex").slice(0, 10);
    const shared = `/var/lib/drydock/sandbox-${name}/run`;
    return existsSync(shared) ? shared : join(folder, "run");
  }

  /** Somebody else at work on the database meanwhile: psql on the sandbox's socket. */
  elsewhere(sql) {
    const target = ["-h", this.socket, "-U", "drydock", "-d", "harbor_production"];
    return execFileSync("psql", [...target, "-v", "ON_ERROR_STOP=1", "-At", "-c", sql], { encoding: "utf8" });
  }

  async close() {
    await this.window?.close();
  }
}
