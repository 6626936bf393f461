import { api } from "../lib/api";
import type { SshFound } from "../lib/bindings";

let found = $state.raw<SshFound>({ aliases: [], key_files: [], agent: false });
let asked = false;

/** What this computer has for an SSH login; asked for once, and empty until then. */
export function sshFound(): SshFound {
  if (!asked) {
    asked = true;
    api.sshFound().then(
      (answer) => (found = answer),
      () => (asked = false),
    );
  }
  return found;
}
