import type { CheckSetup, NeededCredential, SuiteSummary } from "./bindings";
import { count } from "./format";

/** The folder that a file lies in. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")));
}

/** The name of a file, without its folder. */
export function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

export const suitesIn = (setup: CheckSetup, folder: string): SuiteSummary[] =>
  setup.suites.filter((suite) => folderOf(suite.id) === folder);

export const faulty = (setup: CheckSetup): SuiteSummary[] => setup.suites.filter((suite) => suite.problems.length > 0);

/** What a file holds: `5 checks, 3 of them ask the app`. */
export function suiteWords(suite: SuiteSummary): string {
  if (suite.problems.length > 0)
    return `${count(suite.problems.length, "mistake")} ${suite.problems.length === 1 ? "has" : "have"} to be corrected first.`;
  const checks = count(suite.checks, "check");
  if (suite.flows === 0) return `${checks}, none asks the app`;
  if (suite.flows === suite.checks)
    return suite.checks === 1 ? "1 check, it asks the app" : `${checks}, all ask the app`;
  return `${checks}, ${suite.flows} of them ${suite.flows === 1 ? "asks" : "ask"} the app`;
}

/** What is missing before every check can run, the first thing first. */
export type Missing =
  | { kind: "folder" }
  | { kind: "unreadable" }
  | { kind: "file" }
  | { kind: "mistake"; suite: SuiteSummary }
  | { kind: "address" }
  | { kind: "credential"; credential: NeededCredential }
  | null;

export const asksApp = (setup: CheckSetup): boolean => setup.suites.some((suite) => suite.flows > 0);
export const isUsable = (credential: NeededCredential): boolean =>
  credential.kept !== null && credential.problem === null;

export function missingIn(setup: CheckSetup): Missing {
  if (setup.folders.length === 0) return { kind: "folder" };
  const [suite] = faulty(setup);
  if (suite !== undefined) return { kind: "mistake", suite };
  if (setup.suites.length === 0) return { kind: setup.unreadable.length > 0 ? "unreadable" : "file" };
  if (setup.app === null && asksApp(setup)) return { kind: "address" };
  const credential = setup.credentials.find((needed) => !isUsable(needed));
  return credential === undefined ? null : { kind: "credential", credential };
}

/** Where the checks come from and what they still need, in a sentence or two. */
export function setupHeadline(setup: CheckSetup): string {
  if (setup.folders.length === 0) return "No file of checks is read yet.";
  const wrong = faulty(setup).length;
  const sound = setup.suites.length - wrong;
  const checks = setup.suites.reduce((sum, suite) => sum + suite.checks, 0);
  const unset = setup.credentials.filter((needed) => !isUsable(needed)).length;
  const found =
    setup.suites.length === 0 && setup.unreadable.length > 0
      ? null
      : setup.suites.length === 0
        ? "The folders hold no file of checks yet."
        : sound === 0
          ? null
          : `${count(checks, "check")} in ${count(sound, "file")}.`;
  const lacking = [
    setup.unreadable.length > 0 ? `${count(setup.unreadable.length, "folder")} cannot be read` : null,
    wrong > 0 ? `${count(wrong, "file")} ${wrong === 1 ? "has" : "have"} mistakes` : null,
    setup.app === null && asksApp(setup) ? "the app's address is not set" : null,
    unset > 0 ? `${count(unset, "credential")} ${unset === 1 ? "is" : "are"} missing` : null,
  ].filter((part) => part !== null);
  if (lacking.length === 0) return found ?? "";
  const rest = lacking.join(", ");
  return `${found === null ? "" : `${found} `}${rest.charAt(0).toUpperCase()}${rest.slice(1)}.`;
}

/** Why a new file cannot be called that; null: it can. */
export function nameMistake(name: string, folder: string, setup: CheckSetup): string | null {
  const plain = plainName(name);
  if (plain === "") return "Give it a name.";
  // eslint-disable-next-line no-control-regex
  if (/[\\/:*?"<>|\u0000-\u001f\u007f]/.test(plain) || plain.startsWith("."))
    return 'Leave out \\ / : * ? " < > | and a dot at the beginning.';
  if (suitesIn(setup, folder).some((suite) => fileName(suite.id).toLowerCase() === `${plain.toLowerCase()}.toml`))
    return "There is a file of that name already.";
  return null;
}

/** A name as it is typed, with or without its ending. */
export const plainName = (name: string): string => name.trim().replace(/\.toml$/i, "");

/** `folder/name.toml`. */
export const pathIn = (folder: string, name: string): string =>
  `${folder.replace(/[\\/]+$/, "")}/${plainName(name)}.toml`;

/** What a new file begins with. JSON's texts are TOML's, too. */
export function firstText(name: string): string {
  const words = plainName(name).replace(/[-_]+/g, " ");
  return `title = ${JSON.stringify(words.charAt(0).toUpperCase() + words.slice(1))}\n`;
}
