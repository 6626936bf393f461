import type { Address, Hop, HopKind, Transport, TransportDraft } from "./bindings";
import type { IconName } from "./icons";
import { sshLabel } from "./ssh";

/** A hop in its place, whether or not it has answered yet. */
export type Row = { key: string; kind: HopKind; name: string; hop: Hop | null };

/** A stretch of the way, with what it leads to. */
export type Leg = { key: string; icon: IconName; words: string; place: string; rows: Row[] };

type Named = [HopKind, string];

const toHost: Named[] = [
  ["ssh_name_lookup", "Name lookup"],
  ["ssh_tcp", "TCP"],
  ["ssh_host_key", "Host key"],
  ["ssh_login", "Login"],
];
const fromHost: Named[] = [
  ["ssh_forwarding", "Forwarding"],
  ["ssh_target", "Database port"],
  ["tls", "Encryption"],
];
const fromHere: Named[] = [
  ["name_lookup", "Name lookup"],
  ["tcp", "TCP"],
  ["tls", "Encryption"],
];
const inDatabase: Named[] = [
  ["authentication", "Authentication"],
  ["database", "Database"],
  ["schema", "Schema"],
  ["pooler_mode", "Pooler mode"],
  ["writable", "Writable"],
  ["privileges", "Rights"],
  ["server_version", "Server version"],
  ["identity", "Identity"],
  ["same_database", "Same database"],
];

/** The engine's names of hops to a host; a host on the way stands behind them: `SSH login of gate`. */
const sshLabels: Partial<Record<HopKind, string>> = {
  ssh_name_lookup: "Name lookup of the SSH host",
  ssh_tcp: "Port of the SSH host",
  ssh_host_key: "SSH host key",
  ssh_login: "SSH login",
};

/** The host on the way that a hop is about; null: the SSH host itself, or no host's hop at all. */
export function wayHost(hop: Hop): string | null {
  const label = sshLabels[hop.kind];
  return label !== undefined && hop.name.startsWith(`${label} of `) ? hop.name.slice(label.length + 4) : null;
}

export function hopKey(hop: Hop): string {
  const host = wayHost(hop);
  return host === null ? hop.kind : `${hop.kind} ${host}`;
}

/** The hop that an explanation is about: on the way there may be several of its kind. */
export function explainedHop(hops: Hop[], kind: HopKind): Hop | null {
  const ofKind = hops.filter((hop) => hop.kind === kind);
  return ofKind.find((hop) => hop.outcome !== null && hop.outcome !== "pass") ?? ofKind[0] ?? null;
}

/**
 * All hops in their order, named before they answer, so that nothing jumps as they arrive. Once the walk is over,
 * hops that this way does not have are left out.
 */
export function legsOf(
  hops: Hop[],
  address: Address | null,
  transport: Transport | TransportDraft | undefined,
  over: boolean,
): Leg[] {
  const leg = (key: string, icon: IconName, words: string, place: string, named: Named[], on: string | null): Leg => ({
    key,
    icon,
    words,
    place,
    rows: named
      .map(([kind, name]) => {
        const hop = hops.find((one) => one.kind === kind && wayHost(one) === on) ?? null;
        const label = hop === null || kind in sshLabels || kind === "ssh_target" ? name : hop.name;
        return { key: on === null ? kind : `${kind} ${on}`, kind, name: label, hop };
      })
      .filter((row) => row.hop !== null || !over),
  });
  const target =
    address === null ? "" : address.host.startsWith("/") ? address.host : `${address.host}:${address.port}`;
  const last = leg("database", "database", "In the database", address?.database ?? "", inDatabase, null);
  if (transport?.kind !== "ssh") return [leg("computer", "monitor", "This computer to", target, fromHere, null), last];
  const { access } = transport;
  const seen = hops.map(wayHost).filter((host) => host !== null);
  const jumps = [...new Set([...access.jumps.map((jump) => jump.host.trim()).filter((host) => host !== ""), ...seen])];
  /* The name of a host behind another is looked up there. */
  const behind = (first: boolean) => (first ? toHost : toHost.slice(1));
  const looked = hops.some((hop) => hop.kind === "ssh_name_lookup" && wayHost(hop) === null);
  return [
    ...jumps.map((host, at) => leg(`way ${host}`, "monitor", "By way of", host, behind(at === 0), host)),
    leg("ssh", "square-terminal", "To the SSH host", sshLabel(access), behind(jumps.length === 0 || looked), null),
    leg("from-ssh", "server", "From there to the database", target, fromHost, null),
    last,
  ].filter((one) => one.rows.length > 0);
}

const names = new Map<HopKind, string>([...toHost, ...fromHost, ...fromHere, ...inDatabase]);

export function hopName(hop: Hop): string {
  const host = wayHost(hop);
  const name = hop.kind.startsWith("ssh_") ? (names.get(hop.kind) ?? hop.name) : hop.name;
  return host === null ? name : `${name} on ${host}`;
}
