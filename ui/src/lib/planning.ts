import type { PlanPurpose } from "./bindings";
import type { Console } from "../state/console.svelte";
import { api } from "./api";

/** Makes a plan and opens its review. Making a plan writes nothing. */
export async function openPlan(console: Console, environment: string, purpose: PlanPurpose): Promise<void> {
  await console.press(async () => {
    const review = await api.createPlan(environment, purpose);
    console.readings.of(`plan/${review.plan.id}`, () => api.plan(review.plan.id)).put(review);
    console.go({ screen: "plan", environment, plan: review.plan.id });
  });
}
