import type { PlanPurpose } from "./bindings";
import type { Console } from "../state/console.svelte";
import { api } from "./api";

/** Plans to roll migrations back and opens its review. Planning writes nothing. */
export async function openRollBack(console: Console, environment: string, migrations: string[]): Promise<void> {
  await console.press(async () => {
    const review = await api.planRollBack(environment, { migrations, rows_back: [], backup_id: null });
    console.readings.of(`plan/${review.plan.id}`, () => api.plan(review.plan.id)).put(review);
    console.go({ screen: "plan", environment, plan: review.plan.id });
  });
}

/** Makes a plan and opens its review. Making a plan writes nothing. */
export async function openPlan(console: Console, environment: string, purpose: PlanPurpose): Promise<void> {
  await console.press(async () => {
    const review = await api.createPlan(environment, purpose);
    console.readings.of(`plan/${review.plan.id}`, () => api.plan(review.plan.id)).put(review);
    console.go({ screen: "plan", environment, plan: review.plan.id });
  });
}
