import { readFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { iconNames } from "./src/lib/icons";

/** Puts the icons that are used, and no others, into the page as one sprite. */
function sprite(): Plugin {
  const symbol = (name: string) => {
    const file = readFileSync(`node_modules/lucide-static/icons/${name}.svg`, "utf8");
    const drawing = file.slice(file.indexOf(">", file.indexOf("<svg")) + 1, file.lastIndexOf("</svg>"));
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${drawing.replace(/\s+/g, " ").trim()}</symbol>`;
  };
  return {
    name: "drydock-sprite",
    transformIndexHtml: (html) =>
      html.replace(
        '<div id="app">',
        `<svg class="sprite" aria-hidden="true">${iconNames.map(symbol).join("")}</svg>\n    <div id="app">`,
      ),
  };
}

export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [svelte(), sprite()],
  define: { "import.meta.env.VITE_FAKE": JSON.stringify(mode === "fake" ? "1" : (process.env["VITE_FAKE"] ?? "")) },
  server: { port: 5173, strictPort: true },
  build: {
    target: "es2022",
    outDir: mode === "fake" ? "dist-fake" : "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
}));
