import type { Failure, FailureCode } from "./bindings";
import type { Tone } from "./states";

/** The window itself could not get an answer; the shell never sends this one. */
export type WindowCode = "DRY-0001";
export type Trouble = Omit<Failure, "code"> & { code: FailureCode | WindowCode };

/** What the screen offers beside the failure's own words. */
export type FailureAction =
  | "again"
  | "doctor"
  | "host_key"
  | "edit"
  | "migrations"
  | "choose_folder"
  | "new_plan"
  | "secret"
  | "ssh_secret"
  | "vault"
  | "settings"
  | "repin"
  | "repair"
  | "seeds"
  | "backups"
  | "runs"
  | "desk"
  | "lift";

type Entry = { tone: Tone; action: FailureAction };

/** One table: stable code to severity and the one next button. Codes that are not in it are blocks one may try again. */
const table: Partial<Record<Trouble["code"], Entry>> = {
  "DRY-1001": { tone: "block", action: "edit" },
  "DRY-1003": { tone: "block", action: "edit" },
  "DRY-1101": { tone: "block", action: "doctor" },
  "DRY-1102": { tone: "block", action: "doctor" },
  "DRY-1103": { tone: "block", action: "doctor" },
  "DRY-1104": { tone: "block", action: "doctor" },
  "DRY-1105": { tone: "block", action: "doctor" },
  "DRY-1106": { tone: "block", action: "doctor" },
  "DRY-1107": { tone: "block", action: "doctor" },
  "DRY-1108": { tone: "block", action: "doctor" },
  "DRY-1109": { tone: "unknown", action: "again" },
  "DRY-1110": { tone: "block", action: "doctor" },
  "DRY-1111": { tone: "warn", action: "host_key" },
  "DRY-1112": { tone: "block", action: "host_key" },
  "DRY-1113": { tone: "block", action: "host_key" },
  "DRY-1114": { tone: "block", action: "doctor" },
  "DRY-1115": { tone: "block", action: "edit" },
  "DRY-1116": { tone: "block", action: "edit" },
  "DRY-1117": { tone: "block", action: "edit" },
  "DRY-1118": { tone: "block", action: "doctor" },
  "DRY-1119": { tone: "block", action: "doctor" },
  "DRY-1120": { tone: "unknown", action: "doctor" },
  "DRY-1121": { tone: "block", action: "edit" },
  "DRY-1122": { tone: "block", action: "doctor" },
  "DRY-1123": { tone: "block", action: "edit" },
  "DRY-1124": { tone: "warn", action: "ssh_secret" },
  "DRY-1201": { tone: "block", action: "repin" },
  "DRY-1202": { tone: "warn", action: "new_plan" },
  "DRY-1203": { tone: "warn", action: "new_plan" },
  "DRY-1206": { tone: "warn", action: "again" },
  "DRY-1207": { tone: "warn", action: "runs" },
  "DRY-1208": { tone: "block", action: "repair" },
  "DRY-1209": { tone: "warn", action: "migrations" },
  "DRY-1212": { tone: "block", action: "migrations" },
  "DRY-1216": { tone: "unknown", action: "again" },
  "DRY-1217": { tone: "pass", action: "migrations" },
  "DRY-1218": { tone: "block", action: "seeds" },
  "DRY-1219": { tone: "block", action: "seeds" },
  "DRY-1220": { tone: "warn", action: "seeds" },
  "DRY-1221": { tone: "warn", action: "runs" },
  "DRY-1223": { tone: "warn", action: "again" },
  "DRY-1224": { tone: "warn", action: "again" },
  "DRY-1226": { tone: "warn", action: "backups" },
  "DRY-1227": { tone: "block", action: "backups" },
  "DRY-1228": { tone: "block", action: "backups" },
  "DRY-1229": { tone: "warn", action: "backups" },
  "DRY-1230": { tone: "block", action: "backups" },
  "DRY-1231": { tone: "warn", action: "lift" },
  "DRY-1232": { tone: "warn", action: "desk" },
  "DRY-1301": { tone: "block", action: "choose_folder" },
  "DRY-1401": { tone: "block", action: "settings" },
  "DRY-1402": { tone: "warn", action: "vault" },
  "DRY-1403": { tone: "warn", action: "secret" },
  "DRY-1601": { tone: "block", action: "settings" },
  "DRY-1602": { tone: "block", action: "settings" },
  "DRY-1702": { tone: "unknown", action: "again" },
};

export function classify(code: Trouble["code"]): Entry {
  return table[code] ?? { tone: "block", action: "again" };
}

export const actionWords: Record<FailureAction, string> = {
  again: "Try again",
  doctor: "Test the connection",
  host_key: "Look at the host's key",
  edit: "Edit the environment",
  migrations: "Open the migrations",
  choose_folder: "Choose another folder",
  new_plan: "Make a new plan",
  secret: "Enter the password",
  ssh_secret: "Enter the secret of the SSH login",
  vault: "Unlock the vault",
  settings: "Open the settings",
  repin: "Compare the databases",
  repair: "Open the failed migration",
  seeds: "Open the seeds",
  backups: "Open the backups",
  runs: "Open the runs",
  desk: "Open the release desk",
  lift: "Lift the freeze…",
};

/** Thrown by the door when the shell answers with a failure. */
export class Failed extends Error {
  readonly trouble: Trouble;

  constructor(trouble: Trouble) {
    super(`${trouble.code}: ${trouble.what}`);
    this.trouble = trouble;
  }
}

/** Whatever was thrown, in the operator's words. */
export function troubleOf(thrown: unknown): Trouble {
  if (thrown instanceof Failed) return thrown.trouble;
  return {
    code: "DRY-0001",
    what: "The window got no answer from the console's engine.",
    why: thrown instanceof Error ? thrown.message : String(thrown),
    unchanged: "Nothing was sent to the database because of it.",
    next: "Try again. If it stays so, close Drydock and open it again.",
  };
}
