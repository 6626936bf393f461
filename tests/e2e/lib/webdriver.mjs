// A small W3C WebDriver client for the real window: tauri-driver in front of WebKitWebDriver.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
export const repository = resolve(import.meta.dirname, "../../..");

/** Keys as WebDriver names them. */
export const KEY = {
  enter: "\uE007",
  escape: "\uE00C",
  tab: "\uE004",
  down: "\uE015",
  up: "\uE013",
  left: "\uE012",
  alt: "\uE00A",
  control: "\uE009",
  shift: "\uE008",
  space: " ",
};

/** A free port below those of outgoing connections: one of these would be taken before its server listens. */
async function freePort() {
  for (let tries = 0; tries < 1000; tries += 1) {
    const port = randomInt(15_000, 32_000);
    const isFree = await new Promise((done) => {
      const server = createServer();
      server.once("error", () => done(false));
      server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
    });
    if (isFree) return port;
  }
  throw new Error("no free port on loopback between 15000 and 32000");
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** The window of the built app with a data folder of its own. */
export class Window {
  #base;
  #session;
  #driver;
  #data;
  #ownData;

  static async open({ data, environment = {}, log } = {}) {
    const window = new Window();
    window.#ownData = data === undefined;
    window.#data = data ?? (await mkdtemp(join(tmpdir(), "drydock-window-")));
    const [port, native] = [await freePort(), await freePort()];
    const driver = spawn("tauri-driver", ["--port", String(port), "--native-port", String(native)], {
      env: { ...process.env, ...environment, DRYDOCK_DATA: window.#data, DRYDOCK_TOOLKIT: process.env.DRYDOCK_TOOLKIT ?? "" },
      stdio: ["ignore", log ?? "ignore", log ?? "ignore"],
      detached: true,
    });
    driver.once("error", (error) => {
      console.error(`tauri-driver could not be started: ${error.message}`);
    });
    window.#driver = driver;
    window.#base = `http://127.0.0.1:${port}`;
    const application = process.env.DRYDOCK_BINARY ?? join(repository, "target/debug/drydock");
    const deadline = Date.now() + 30_000;
    for (;;) {
      try {
        const answer = await window.#call("POST", "/session", {
          capabilities: { alwaysMatch: { "tauri:options": { application } } },
        });
        window.#session = answer.sessionId;
        return window;
      } catch (error) {
        if (Date.now() > deadline) {
          await window.close();
          throw new Error(`the window did not open: ${error.message}`);
        }
        await pause(200);
      }
    }
  }

  get data() {
    return this.#data;
  }

  async #call(method, path, body) {
    const response = await fetch(this.#base + path, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${value?.error ?? response.status}: ${value?.message ?? ""}`);
    return value;
  }

  #on(method, path, body) {
    return this.#call(method, `/session/${this.#session}${path}`, body);
  }

  async resize(width, height) {
    await this.#on("POST", "/window/rect", { x: 0, y: 0, width, height });
    await pause(150);
  }

  /** The page's own size, which a window manager may keep smaller than was asked for. */
  size() {
    return this.run("return [innerWidth, innerHeight]");
  }

  run(script, ...args) {
    return this.#on("POST", "/execute/sync", { script, args });
  }

  runAsync(script, ...args) {
    return this.#on("POST", "/execute/async", { script, args });
  }

  async find(selector) {
    const found = await this.#on("POST", "/element", { using: "css selector", value: selector });
    return found[ELEMENT];
  }

  count(selector) {
    return this.run("return document.querySelectorAll(arguments[0]).length", selector);
  }

  /** Waits until there is a visible element for the selector. */
  async wait(selector, { seconds = 15, gone = false } = {}) {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const there = await this.run(
        "const found = [...document.querySelectorAll(arguments[0])].find((each) => each.getClientRects().length > 0); return Boolean(found)",
        selector,
      );
      if (there !== gone) return;
      if (Date.now() > deadline) throw await this.#failed(`${selector} did not ${gone ? "go" : "come"} within ${seconds} s`);
      await pause(100);
    }
  }

  /** Waits until the element's text fits the pattern, and returns it. */
  async waitText(selector, pattern, seconds = 15) {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const text = await this.text(selector).catch(() => "");
      if (pattern.test(text)) return text;
      if (Date.now() > deadline)
        throw await this.#failed(`${selector} did not come to say ${pattern} within ${seconds} s; it says: ${text}`);
      await pause(100);
    }
  }

  /** An error with what the page said, and a picture of it. */
  async #failed(words) {
    const folder = join(repository, "target/window-failures");
    const picture = join(folder, `${new Date().toISOString().replace(/\W/g, "-")}.png`);
    await mkdir(folder, { recursive: true });
    const shown = await this.screenshot(picture).then(() => picture, (error) => `no picture: ${error.message}`);
    const page = await this.run("return location.hash + '\\n' + document.body.innerText").catch((error) => error.message);
    return new Error(`${words}; ${shown}; the page: ${page.slice(0, 3000)}`);
  }

  text(selector) {
    return this.run("const found = document.querySelector(arguments[0]); return found ? found.innerText : ''", selector);
  }

  /** Presses it once it can be pressed, as a person would: a locked or busy button takes a press and does nothing. */
  async click(selector, seconds = 60) {
    await this.wait(selector);
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const why = await this.run(
        "const found = document.querySelector(arguments[0]); if (!found) return 'it is gone'; const says = (name) => found.getAttribute(name) === 'true'; return found.disabled || says('aria-disabled') || says('aria-busy') ? found.innerText + ', ' + (found.title || found.getAttribute('aria-description') || 'locked') : null",
        selector,
      );
      if (why === null) break;
      if (Date.now() > deadline) throw await this.#failed(`${selector} cannot be pressed after ${seconds} s: ${why}`);
      await pause(100);
    }
    await this.#act(selector, "click", {});
  }

  type(selector, text) {
    return this.#act(selector, "value", { text });
  }

  /** The page may draw an element anew between finding and using it; then nothing was done, and it is found again. */
  async #act(selector, what, body, tries = 10) {
    await this.wait(selector);
    try {
      await this.#on("POST", `/element/${await this.find(selector)}/${what}`, body);
    } catch (error) {
      if (tries === 0 || !/^(stale element reference|no such element)/.test(error.message)) throw error;
      await pause(100);
      await this.#act(selector, what, body, tries - 1);
    }
  }

  /** Presses keys where the focus is; a chord is pressed together. */
  async press(...keys) {
    const actions = [...keys.map((value) => ({ type: "keyDown", value })), ...keys.reverse().map((value) => ({ type: "keyUp", value }))];
    await this.#on("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
    await this.#on("DELETE", "/actions");
    await pause(60);
  }

  async screenshot(path) {
    // Two frames, so that what was asked for is painted.
    await this.runAsync("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 120)))");
    const picture = await this.#on("GET", "/screenshot");
    await writeFile(path, Buffer.from(picture, "base64"));
  }

  async close() {
    if (this.#session) await this.#on("DELETE", "").catch(() => {});
    if (this.#driver.pid) {
      try {
        process.kill(-this.#driver.pid, "SIGTERM");
      } catch {
        // It has ended by itself.
      }
    }
    await pause(200);
    if (this.#ownData) await rm(this.#data, { recursive: true, force: true });
  }
}
