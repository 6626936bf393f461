import type {
  Access,
  AccessDraft,
  Environment,
  EnvironmentDraft,
  SshDraft,
  SshJump,
  SshJumpDraft,
  Transport,
  TransportDraft,
} from "./bindings";
import { blankAddress, rulesFor } from "./environment";
import { loginOf } from "./ssh";

const kept = (access: Access): AccessDraft => ({
  address: structuredClone(access.address),
  password: access.password === null ? { kind: "none" } : { kind: "keep" },
});

const jumpOf = (jump: SshJump): SshJumpDraft => ({
  host: jump.host,
  port: jump.port,
  user: jump.user,
  login: loginOf(jump.login.kind, jump.login),
});

export function transportOf(transport: Transport | undefined): TransportDraft {
  if (transport?.kind !== "ssh") return { kind: "direct" };
  const { access } = transport;
  return {
    kind: "ssh",
    access: {
      host: access.host,
      port: access.port,
      user: access.user,
      implementation: access.implementation,
      login: loginOf(access.login.kind, access.login),
      jumps: access.jumps.map(jumpOf),
      pins: access.pins.map((pin) => ({ ...pin })),
    },
  };
}

/** The form's beginning: what is saved, with the stored passwords and compared host keys kept. */
export function draftOf(environment: Environment): EnvironmentDraft {
  return {
    name: environment.name,
    tier: environment.tier,
    colour: environment.colour,
    runtime: environment.runtime === null ? null : kept(environment.runtime),
    direct: kept(environment.direct),
    transport: transportOf(environment.transport),
    rules: { ...environment.rules },
    migrations_folder: environment.migrations?.folder ?? null,
  };
}

/**
 * Walks to an SSH host and no further than its database port: encryption is asked for that no certificate can
 * satisfy, so the walk ends before a user name or a password would be sent to the database.
 */
export function lineOnly(access: SshDraft): EnvironmentDraft {
  const address = { ...blankAddress(), host: "localhost", user: "nobody", database: "none" };
  return {
    name: "line",
    tier: "production",
    colour: "tier",
    runtime: null,
    direct: {
      address: { ...address, tls: "verify_full", roots: { kind: "pasted", pem: "" } },
      password: { kind: "none" },
    },
    transport: { kind: "ssh", access },
    rules: rulesFor("production"),
    migrations_folder: null,
  };
}
