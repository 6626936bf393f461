import type { Action, DryRunReport, Gate, ObjectKind, Plan, PlanReview, Step, TableName } from "./bindings";
import { requestWords } from "./backups";
import { count, whole } from "./format";

const kindWords: Record<ObjectKind, [string, string]> = {
  table: ["table", "tables"],
  column: ["column", "columns"],
  index: ["index", "indexes"],
  constraint: ["constraint", "constraints"],
  enum: ["enum", "enums"],
  enum_value: ["enum value", "enum values"],
  type: ["type", "types"],
  sequence: ["sequence", "sequences"],
  view: ["view", "views"],
  materialized_view: ["materialized view", "materialized views"],
  function: ["function", "functions"],
  trigger: ["trigger", "triggers"],
  extension: ["extension", "extensions"],
  schema: ["schema", "schemas"],
  policy: ["policy", "policies"],
};

const actionWords: Record<Action, string> = { create: "created", alter: "altered", drop: "dropped" };

export type Total = { amount: number; what: string; done: string; destructive: boolean };

const leading: ObjectKind[] = ["table", "column", "index", "constraint"];
const rank = (kind: ObjectKind) => (leading.includes(kind) ? leading.indexOf(kind) : leading.length);

/** The totals of a dry run: tables first, everything that is dropped at the end, never left out. */
export function totals(report: DryRunReport): Total[] {
  const groups = new Map<string, Total & { rank: number }>();
  for (const { action, kind } of report.objects) {
    const key = `${action}/${kind}`;
    const group = groups.get(key) ?? {
      amount: 0,
      what: "",
      done: actionWords[action],
      destructive: action === "drop",
      rank: rank(kind),
    };
    group.amount += 1;
    group.what = kindWords[kind][group.amount === 1 ? 0 : 1];
    groups.set(key, group);
  }
  const changed = report.rows.reduce((sum, rows) => sum + rows.inserted + rows.updated + rows.deleted, 0);
  const all = [...groups.values()].sort((one, other) => one.rank - other.rank || other.amount - one.amount);
  return [
    ...all.filter((total) => !total.destructive),
    { amount: changed, what: changed === 1 ? "row" : "rows", done: "changed", destructive: false },
    ...all.filter((total) => total.destructive),
  ];
}

/** `3 tables, 1 index` of what an action does, for a dialog. */
export function listed(report: DryRunReport, action: Action): string {
  const found = new Map<ObjectKind, number>();
  for (const object of report.objects)
    if (object.action === action) found.set(object.kind, (found.get(object.kind) ?? 0) + 1);
  return [...found].map(([kind, amount]) => count(amount, ...kindWords[kind])).join(", ");
}

export function migrationsOf(plan: Plan): number {
  return plan.steps.filter((step) => step.kind === "migrate").length;
}

/** Migrations and seeds are applied to a place, repairs and undos are done on it. */
export function toward(plan: Plan): "to" | "on" {
  if (callOf(plan) !== null) return "on";
  return migrationsOf(plan) > 0 || plan.purpose.kind === "seed" ? "to" : "on";
}

/** The plan changes rows of a profile or of a run, not objects. */
export function isOfRows(plan: Plan): boolean {
  return plan.steps.some((step) => step.kind === "seed" || step.kind === "undo");
}

/** What the plan asks the app for; such a plan cannot be tried. */
export function callOf(plan: Plan): Extract<Step, { kind: "call" }> | null {
  return plan.steps.find((step) => step.kind === "call") ?? null;
}

/** Row changes that an undo takes back. */
export function takenBack(plan: Plan): number {
  return plan.steps.reduce((sum, step) => sum + (step.kind === "undo" ? step.rows : 0), 0);
}

/** What the plan's main act is called, in one form for buttons and titles. */
export function actOf(plan: Plan): string {
  const migrations = migrationsOf(plan);
  if (callOf(plan) !== null) return "Ask the app to write";
  if (migrations > 0) return `Apply ${count(migrations, "migration")}`;
  switch (plan.purpose.kind) {
    case "undo_failed":
      return "Take back the failed migration";
    case "finish_failed":
      return "Finish the failed migration";
    case "mark_applied":
      return "Mark 1 migration as applied";
    case "mark_rolled_back":
      return "Mark 1 migration as rolled back";
    case "baseline":
      return "Record the baseline";
    case "apply_pending":
      return "Apply the plan";
    case "seed":
      return `Apply the seed ${plan.purpose.title}`;
    case "undo":
      return `Undo ${count(takenBack(plan), "row change")}`;
    case "back_up":
      return `Take ${plan.purpose.words}`;
    case "import":
      return `Import ${plan.purpose.words}`;
    case "prove":
      return `Prove ${plan.purpose.words}`;
    case "restore":
      return `Restore ${plan.purpose.words}`;
    case "swap_back":
      return `Go back to ${plan.purpose.kept}`;
    case "roll_back":
      return `Roll back ${count(plan.purpose.migrations.length, "migration")}`;
  }
}

/** A step in a line: verb, subject, how it runs. */
export function stepWords(step: Step): { verb: string; subject: string; how: string } {
  switch (step.kind) {
    case "check":
      return { verb: "Check", subject: "", how: "Identity, ledger, catalogue and files are read again." };
    case "create_ledger":
      return { verb: "Create", subject: "_prisma_migrations", how: "The ledger table, as Prisma writes it." };
    case "migrate":
      return { verb: "Migrate", subject: step.name, how: step.script.mode_reason };
    case "run_statements":
      return {
        verb: "Repair",
        subject: step.migration,
        how: `${count(step.statements.length, "statement")}, ${step.atomic ? "in one transaction" : "one after the other"}.`,
      };
    case "resolve":
      return {
        verb: "Resolve",
        subject: step.migration,
        how:
          step.insert_applied === null
            ? `${count(step.roll_back_rows.length, "ledger row")} marked as rolled back.`
            : "A ledger row is written that says it is applied.",
      };
    case "seed":
      return { verb: "Seed", subject: step.title, how: "All rows in one transaction." };
    case "undo":
      return { verb: "Undo", subject: "", how: `${count(step.rows, "row change")}, in one transaction.` };
    case "call":
      return {
        verb: "Call",
        subject: step.title,
        how: `${count(step.requests.length, "request")} to the app, in order.`,
      };
    case "back_up":
      return {
        verb: "Back up",
        subject: requestWords(step.request),
        how: "Read in one snapshot. Nothing is written to the database.",
      };
    case "import":
      return {
        verb: "Import",
        subject: step.origin.name,
        how: "It is loaded on a scratch database, counted and stored. No database of yours is touched.",
      };
    case "prove":
      return { verb: "Prove", subject: "", how: "It is restored on a scratch database and compared, row by row." };
    case "restore":
      return {
        verb: "Restore",
        subject: count(step.tables.length, "table"),
        how: !step.beside
          ? "In one transaction, compared before it is committed."
          : step.beside.kept_as === null
            ? `Into a new database ${step.beside.name}. It gets its name when it was compared.`
            : `Into a new ${step.beside.name}, compared, then exchanged by name. The one before is kept as ${step.beside.kept_as}.`,
      };
    case "swap_back":
      return {
        verb: "Swap back",
        subject: step.kept,
        how: `It is ${step.name} again; the present one is kept as ${step.away}. Both names change in one transaction.`,
      };
    case "roll_back":
      return {
        verb: "Roll back",
        subject: step.migrations.join(", "),
        how: `${count(step.remove.length + step.make.length + step.finish.length, "statement")}, in one transaction with the ledger.`,
      };
    case "verify":
      return {
        verb: "Verify",
        subject: "",
        how: "The ledger is read again; for rows, the server confirms the commit.",
      };
  }
}

/** Tables that a roll back leaves, with all of their rows put back. */
export function rowsBack(plan: Plan): TableName[] {
  const step = plan.steps.find((one) => one.kind === "roll_back");
  return (step?.written ?? []).filter(({ back }) => back).map(({ table }) => table);
}

/** Gates that stand in the way and cannot be passed by a typed reason. */
export function closedGates(review: PlanReview): Gate[] {
  return review.gates.filter((gate) => (gate.outcome === "block" || gate.outcome === "unknown") && !gate.can_override);
}

export function overrideGates(review: PlanReview): Gate[] {
  return review.gates.filter((gate) => (gate.outcome === "block" || gate.outcome === "unknown") && gate.can_override);
}

export function rowsSentence(rows: DryRunReport["rows"][number]): string {
  if (!rows.known) return `\`${rows.table}\`: not known how many rows change.`;
  const parts = [
    rows.inserted > 0 ? `${whole(rows.inserted)} inserted` : "",
    rows.updated > 0 ? `${whole(rows.updated)} changed` : "",
    rows.deleted > 0 ? `${whole(rows.deleted)} deleted` : "",
  ].filter(Boolean);
  const changes = parts.length > 0 ? parts.join(", ") : "no row changed";
  return `\`${rows.table}\`: ${changes}${rows.rewritten ? "; the whole table is written anew" : ""}.`;
}
