import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

const shellDoor = {
  paths: [
    { name: "@tauri-apps/api/core", message: "Only src/lib/api.ts talks to the shell." },
    { name: "../lib/bindings", importNames: ["commands"], message: "Only src/lib/api.ts calls commands." },
  ],
};

export default ts.config(
  { ignores: ["dist", "dist-fake", "src/lib/bindings.ts"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      "no-restricted-imports": ["error", shellDoor],
      "svelte/no-inline-styles": ["error", { allowTransitions: false }],
      "svelte/no-at-html-tags": "error",
      "svelte/require-each-key": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
  },
  { files: ["src/lib/api.ts"], rules: { "no-restricted-imports": "off" } },
);
