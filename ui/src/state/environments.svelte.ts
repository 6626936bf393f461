import { api } from "../lib/api";
import type { Environment, EnvironmentSummary, Tier } from "../lib/bindings";
import { Reading } from "./reading.svelte";

export const tiers: Tier[] = ["production", "staging", "development"];

/** The environments in the rail, and the whole of those that were opened. */
export class Environments {
  readonly list = new Reading<EnvironmentSummary[]>(() => api.environments());
  #known = $state.raw<Record<string, Environment>>({});

  get all(): EnvironmentSummary[] {
    return this.list.value ?? [];
  }

  ofTier(tier: Tier): EnvironmentSummary[] {
    return this.all.filter((environment) => environment.tier === tier);
  }

  summary(id: string | null): EnvironmentSummary | null {
    return this.all.find((environment) => environment.id === id) ?? null;
  }

  known(id: string | null): Environment | null {
    return id === null ? null : (this.#known[id] ?? null);
  }

  async open(id: string): Promise<Environment> {
    const environment = await api.environment(id);
    this.keep(environment);
    return environment;
  }

  keep(environment: Environment) {
    this.#known = { ...this.#known, [environment.id]: environment };
  }

  forget(id: string) {
    this.#known = Object.fromEntries(Object.entries(this.#known).filter(([known]) => known !== id));
  }
}
