import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const ui = fileURLToPath(new URL("../../../ui/", import.meta.url));
const out = mkdtempSync(join(tmpdir(), "drydock-bundle-"));
after(() => rmSync(out, { recursive: true }));

test("the product's bundle holds no fake, no inline style or script, and nothing remote", async () => {
  process.chdir(ui);
  const { build } = await import(
    join(ui, "node_modules/vite/dist/node/index.js")
  );
  await build({
    root: ui,
    logLevel: "error",
    build: { outDir: out, emptyOutDir: true },
  });
  const assets = readdirSync(join(out, "assets"));
  const code = assets
    .filter((name) => name.endsWith(".js"))
    .map((name) => readFileSync(join(out, "assets", name), "utf8"));
  const page = readFileSync(join(out, "index.html"), "utf8");
  assert.ok(
    code.every(
      (text) =>
        !text.includes("atelier-production") && !text.includes("open sesame"),
    ),
    "no fake data",
  );
  assert.ok(
    code.every((text) => !/<[a-z]+[^>]* style="/.test(text)),
    "no style attribute in a template",
  );
  assert.ok(
    !/ style=|<style|<script(?![^>]*\bsrc=)/.test(page),
    "no inline style or script in the page",
  );
  assert.ok(!/(src|href)="https?:/.test(page), "nothing remote in the page");
  const fonts = assets.filter((name) => name.endsWith(".woff2"));
  assert.ok(
    fonts.some((name) => name.startsWith("inter-latin-opsz")),
    "Inter with its optical sizes is inside",
  );
});
