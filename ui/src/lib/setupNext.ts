import type { CheckEditor } from "../state/checkEditor.svelte";
import type { CheckSetUp } from "../state/checkSetup.svelte";
import { fileName, missingIn } from "./checkSetup";
import type { Next } from "./press";
import { visible } from "./text";

/** The next step; `verify` reads every check. */
export function setupNext(setUp: CheckSetUp, verify: () => unknown): Next {
  if (setUp.editor !== null) return editing(setUp, setUp.editor);
  const { setup } = setUp;
  if (setup === null)
    return {
      title: "Read the set-up.",
      detail: "It is kept by Drydock; files are only read.",
      primary: { words: "Read again", press: () => setUp.reading.read(), busy: setUp.reading.busy && "Reading…" },
    };
  const folder = {
    words: "Add a folder…",
    icon: "folder-open",
    press: () => setUp.addFolder(),
    busy: setUp.isAdding && "Adding…",
    testid: "check-folder-add",
  } as const;
  const missing = missingIn(setup);
  switch (missing?.kind) {
    case "folder":
      return {
        title: "Add the folder that holds your files of checks, or is to hold them.",
        detail: "It may be in the app's repository. Nothing is written into it before you save a file.",
        primary: folder,
      };
    case "mistake":
      return {
        title: `Correct ${visible(fileName(missing.suite.id))}: ${visible(missing.suite.problems[0]?.what ?? "")}`,
        detail: "None of its checks is read before that.",
        primary: {
          words: "Open the file",
          press: () => setUp.open(missing.suite.id),
          busy: setUp.opening !== null && "Opening…",
        },
        others: [folder],
      };
    case "unreadable":
      return {
        title: "See that the folder is there and may be read, then read again.",
        detail: "None of its checks is known before that.",
        primary: { words: "Read again", press: () => setUp.reading.read(), busy: setUp.reading.busy && "Reading…" },
        others: [folder],
      };
    case "file":
      return {
        title: "Write the first file of checks.",
        detail: "A form helps with its first check.",
        primary: { words: "New file…", press: () => (setUp.naming = true) },
        others: [folder],
      };
    case "address":
      return {
        title: "Enter the app's address.",
        detail: "Checks that ask the app stay unknown without it.",
        primary: {
          words: "Enter the address",
          press: () => document.querySelector<HTMLElement>("[data-testid='check-app']")?.focus(),
        },
        others: [folder],
      };
    case "credential":
      return {
        title: `Enter ${visible(missing.credential.label)}.`,
        detail: "Checks that need it stay unknown without it.",
        primary: { words: "Enter it", press: () => (setUp.entering = missing.credential.name) },
        others: [folder],
      };
    default:
      return {
        title: "Everything is set. See whether the checks hold.",
        detail: "On production a check that writes runs only when you tick it; elsewhere it runs with the others.",
        primary: { words: "Verify", icon: "rotate-ccw", press: verify },
        others: [folder],
      };
  }
}

function editing(setUp: CheckSetUp, editor: CheckEditor): Next {
  const first = editor.problems[0];
  return {
    title:
      first !== undefined && editor.isJudged
        ? `Line ${first.at.line}: ${first.next}`
        : editor.isChanged
          ? `Save ${visible(editor.name)}.`
          : `Change ${visible(editor.name)}, then save it.`,
    detail: "The file is written whole or not at all, and never over what somebody else wrote meanwhile.",
    primary: {
      words: "Save",
      press: () => setUp.save(),
      busy: editor.isSaving && "Saving…",
      locked: editor.locked,
    },
    others: [
      { words: "Close", icon: "x", press: () => setUp.leave(() => setUp.close()), testid: "check-editor-close" },
      { words: "Add a check…", icon: "plus", press: () => (setUp.composing = true), testid: "check-add" },
    ],
  };
}
