import type { Instrument } from "./bindings";

/** An instrument in its fixed place. Those without a panel are not built yet and say so. */
export type InstrumentPlace = {
  name: Instrument | "seeds" | "backups" | "verification" | "checklist" | "app_and_logs";
  title: string;
  key: string;
  panel: "doctor" | "migrations" | "drift" | "seeds" | "backups" | "verification" | "desk" | "runs" | null;
  /** What it will answer, in one line. */
  will: string;
  /** Seconds after which a value counts as stale. */
  good: number;
};

const MINUTES = 60;

export const instruments: InstrumentPlace[] = [
  { name: "connection", title: "Connection", key: "1", panel: "doctor", will: "", good: 5 * MINUTES },
  { name: "migrations", title: "Migrations", key: "2", panel: "migrations", will: "", good: 5 * MINUTES },
  { name: "drift", title: "Drift", key: "3", panel: "drift", will: "", good: 60 * MINUTES },
  { name: "seeds", title: "Seeds", key: "4", panel: "seeds", will: "", good: 60 * MINUTES },
  {
    name: "backups",
    title: "Backups",
    key: "5",
    panel: "backups",
    will: "The panel tells what can be trusted, and since when.",
    good: 60 * MINUTES,
  },
  { name: "verification", title: "Verification", key: "6", panel: "verification", will: "", good: 60 * MINUTES },
  {
    name: "checklist",
    title: "Checklist",
    key: "7",
    panel: "desk",
    will: "The release desk tells what is still missing before an apply.",
    good: 60 * MINUTES,
  },
  {
    name: "activity",
    title: "Activity",
    key: "8",
    panel: null,
    will: "Not built yet. Will show sessions and who blocks whom.",
    good: 1 * MINUTES,
  },
  {
    name: "app_and_logs",
    title: "App & logs",
    key: "9",
    panel: null,
    will: "Not built yet. Will follow the app's logs.",
    good: 0,
  },
  { name: "runs", title: "Runs", key: "0", panel: "runs", will: "", good: 24 * 60 * MINUTES },
];
