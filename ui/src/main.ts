import "@fontsource-variable/inter/opsz.css";
import "@fontsource-variable/jetbrains-mono/index.css";
import "./styles/tokens.css";
import "./styles/marks.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/rows.css";
import { mount } from "svelte";
import App from "./App.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");
mount(App, { target });

/** The shell's isolation frame comes without a title; a screen reader is to know what it is. */
function nameIsolationFrame(): boolean {
  const frame = document.getElementById("__tauri_isolation__");
  if (frame === null) return false;
  frame.title = "Isolation of the window from the shell";
  frame.setAttribute("aria-hidden", "true");
  frame.tabIndex = -1;
  return true;
}
if (!nameIsolationFrame()) {
  const watch = new MutationObserver(() => nameIsolationFrame() && watch.disconnect());
  watch.observe(document.documentElement, { childList: true, subtree: true });
}
