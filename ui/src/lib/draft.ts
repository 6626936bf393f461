import type { Access, AccessDraft, Environment, EnvironmentDraft } from "./bindings";

const kept = (access: Access): AccessDraft => ({
  address: structuredClone(access.address),
  password: access.password === null ? { kind: "none" } : { kind: "keep" },
});

/** The form's beginning: what is saved, with the stored passwords kept. */
export function draftOf(environment: Environment): EnvironmentDraft {
  return {
    name: environment.name,
    tier: environment.tier,
    colour: environment.colour,
    runtime: environment.runtime === null ? null : kept(environment.runtime),
    direct: kept(environment.direct),
    rules: { ...environment.rules },
    migrations_folder: environment.migrations?.folder ?? null,
  };
}
