import type { Confirmation, PlanReview } from "../lib/bindings";
import { overrideGates } from "../lib/plans";

/** What the operator ticks, writes and types before a plan is applied, as its rules ask for it. */
export class Confirming {
  readonly #review: () => PlanReview;
  typed = $state("");
  ticked = $state<number[]>([]);
  reason = $state("");

  constructor(review: () => PlanReview) {
    this.#review = review;
  }

  get plan() {
    return this.#review().plan;
  }

  get asksName(): boolean {
    return this.plan.rules.typed_confirmation || this.plan.tier === "production";
  }

  /** What is destroyed, with its number in the plan. */
  get destructive() {
    return this.plan.findings
      .map((finding, index) => ({ finding, index }))
      .filter(({ finding }) => finding.destructive);
  }

  /** Gates that a written reason opens. */
  get reasons() {
    return overrideGates(this.#review());
  }

  /** What is still to be done; null: it can be applied. */
  get missing(): string | null {
    if (this.destructive.some(({ index }) => !this.ticked.includes(index))) return "Tick what is destroyed first.";
    if (this.reasons.length > 0 && this.reason.trim().length < 8) return "Write down the reason first.";
    return this.asksName && this.typed !== this.plan.environment_name ? "Type the name first." : null;
  }

  get confirmation(): Confirmation {
    return {
      digest: this.plan.digest,
      typed_name: this.asksName ? this.typed : null,
      ticked_findings: [...this.ticked].sort((one, other) => one - other),
      override_reason: this.reasons.length > 0 ? this.reason.trim() : null,
    };
  }
}
