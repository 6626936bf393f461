import type { PlanPurpose, TableName } from "./bindings";
import type { Console } from "../state/console.svelte";
import { api } from "./api";

/**
 * Plans to roll migrations back and opens its review. Planning writes nothing. `rowsBack`: tables that stay, and whose
 * rows are put back as the backup holds them.
 */
export async function openRollBack(
  console: Console,
  environment: string,
  migrations: string[],
  rowsBack: TableName[] = [],
): Promise<void> {
  await console.press(async (lead) => {
    const review = await api.planRollBack(environment, { migrations, rows_back: rowsBack, backup_id: null });
    console.readings.of(`plan/${review.plan.id}`, () => api.plan(review.plan.id)).put(review);
    lead({ screen: "plan", environment, plan: review.plan.id });
  });
}

/** Plans to take the swap of a restore back and opens its review. Planning writes nothing. */
export async function openSwapBack(console: Console, environment: string, run: string): Promise<void> {
  await console.press(async (lead) => {
    const review = await api.planSwapBack(environment, run);
    console.readings.of(`plan/${review.plan.id}`, () => api.plan(review.plan.id)).put(review);
    lead({ screen: "plan", environment, plan: review.plan.id });
  });
}

/** Makes a plan and opens its review. Making a plan writes nothing. */
export async function openPlan(console: Console, environment: string, purpose: PlanPurpose): Promise<void> {
  await console.press(async (lead) => {
    const review = await api.createPlan(environment, purpose);
    console.readings.of(`plan/${review.plan.id}`, () => api.plan(review.plan.id)).put(review);
    lead({ screen: "plan", environment, plan: review.plan.id });
  });
}
