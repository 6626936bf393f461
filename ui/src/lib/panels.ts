import type { Panel } from "../state/navigation.svelte";
import type { IconName } from "./icons";

export type PanelPlace = { name: string; words: string; icon: IconName; panel?: Panel; card?: string };
/** The panels in their fixed places; those without `panel` are not built yet. */
export const panels: PanelPlace[] = [
  { name: "overview", words: "Overview", icon: "layout-list", panel: "overview" },
  { name: "release-desk", words: "Release desk", icon: "list-checks", panel: "desk" },
  { name: "migrations", words: "Migrations", icon: "layers", panel: "migrations", card: "migrations" },
  { name: "drift", words: "Drift", icon: "git-compare", panel: "drift", card: "drift" },
  { name: "seeds", words: "Seeds", icon: "sprout", panel: "seeds" },
  { name: "backups", words: "Backups", icon: "archive", panel: "backups" },
  { name: "verification", words: "Verification", icon: "badge-check", panel: "verification" },
  { name: "activity", words: "Activity", icon: "activity" },
  { name: "app-and-logs", words: "App & logs", icon: "scroll-text" },
  { name: "runs", words: "Runs", icon: "history", panel: "runs" },
];

/** Screens that belong to a panel without being it. */
export const panelOf: Record<string, Panel> = {
  doctor: "overview",
  edit: "overview",
  repair: "migrations",
  plan: "migrations",
  seed: "seeds",
  backup: "backups",
  run: "runs",
  rows: "runs",
  undo: "runs",
};
