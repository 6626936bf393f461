// The guided demo in the real window: numbered pictures, light and dark, in two sizes, and a report,
// all under target/demo/.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { axe, setTheme, walkDemo } from "./lib/demo.mjs";
import { Window, repository } from "./lib/webdriver.mjs";

const folder = join(repository, "target/demo");
const SIZES = [
  [1280, 720],
  [1920, 1080],
];

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const started = Date.now();
const window = await Window.open();
const lines = [];
let pictures = 0;
let findings = 0;
try {
  await window.resize(...SIZES[0]);
  const passed = await walkDemo(window, {
    onStep: async (name, number) => {
      const place = `${String(number).padStart(2, "0")}-${name.replace(/\W+/g, "-")}`;
      const found = [];
      for (const [width, height] of SIZES) {
        await window.resize(width, height);
        for (const theme of ["light", "dark"]) {
          await setTheme(window, theme);
          await window.screenshot(join(folder, `${place}-${theme}-${width}.png`));
          pictures += 1;
          found.push(...(await axe(window)).map((finding) => `${theme} ${width}: ${finding}`));
          const wide = await window.run("return document.documentElement.scrollWidth > innerWidth");
          if (wide) found.push(`${theme} ${width}: the page scrolls sideways`);
        }
      }
      await window.resize(...SIZES[0]);
      await setTheme(window, "light");
      findings += found.length;
      const headline = await window.text("[data-testid=headline]");
      lines.push(`## ${number}. ${name}\n\n${headline}\n\n${found.length === 0 ? "axe: nothing found, contrast on." : found.map((each) => `- ${each}`).join("\n")}\n`);
      console.log(`${place}: ${headline.replace(/\s+/g, " ")}${found.length > 0 ? ` (${found.length} findings)` : ""}`);
    },
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  const summary = `${passed.length} screens from "${passed[2].headline}" to "${passed.at(-1).headline}", nothing typed; ${pictures} pictures; axe found ${findings} things; ${seconds} s.`;
  await writeFile(join(folder, "report.md"), `# Guided demo\n\n${summary}\n\n${lines.join("\n")}`);
  console.log(summary);
  if (findings > 0) process.exitCode = 1;
} catch (error) {
  await window.screenshot(join(folder, "99-failed.png")).catch(() => {});
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await window.close();
}
