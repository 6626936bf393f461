import type { Address, Environment, GuardRules, Tier, TlsMode } from "./bindings";
import { implementationWords, sshLabel } from "./ssh";

export const tierWords: Record<Tier, string> = {
  production: "Production",
  staging: "Staging",
  development: "Development",
};

export const tlsWords: Record<TlsMode, string> = {
  verify_full: "on, certificate and name checked",
  verify_ca: "on, certificate checked, name not",
  unchecked: "on, certificate not checked",
  off: "off",
};

export function isLocal(address: Address): boolean {
  return address.host.startsWith("/") || /^(localhost|127\.|::1$|\[::1\]$)/i.test(address.host);
}

/** `migrate@db.example.com:5432/atelier`; holds no secret. */
export function addressLabel(address: Address): string {
  return `${address.user}@${address.host}:${address.port}/${address.database}`;
}

export function reachedBy(environment: Environment): string {
  if (environment.transport?.kind === "ssh") {
    const { access } = environment.transport;
    return `through ${sshLabel(access)} (${implementationWords[access.implementation]})`;
  }
  const address = environment.direct.address;
  if (isLocal(address)) return "this computer";
  return address.tls === "off" ? "directly, not encrypted" : "directly, encrypted";
}

/** The rules an environment of a tier starts with; the engine clamps them again when they are saved. */
export function rulesFor(tier: Tier): GuardRules {
  const production = tier === "production";
  return {
    lock_timeout_ms: production ? 1_000 : 5_000,
    lock_retries: production ? 8 : 3,
    statement_timeout_ms: null,
    check_timeout_ms: 15_000,
    dry_run_lock_ms: production ? 2_000 : 30_000,
    dry_run_space_percent: production ? 10 : 50,
    server_disk_gb: null,
    typed_confirmation: production,
    restore_point: production,
  };
}

export function blankAddress(): Address {
  return {
    host: "",
    port: 5432,
    user: "",
    database: "",
    schema: "public",
    tls: "verify_full",
    roots: { kind: "system" },
    connect_timeout_seconds: 5,
    says_pooler: false,
    settings: [],
  };
}
