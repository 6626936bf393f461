/** SSH hosts of the fake shell: one way to them, their keys, and how their line stands. In no production bundle. */
import type {
  Address,
  Choice,
  Explanation,
  Hop,
  HopKind,
  HostKey,
  HostKeyPin,
  HostKeyReport,
  LineStatus,
  SshAccess,
  SshDraft,
  SshLogin,
  Transport,
  TransportDraft,
  TunnelState,
} from "./bindings";
import { address, ago, environment, type World } from "./fakeWorld";
import { sshLabel } from "./ssh";

const SHOWN = "SHA256:nThbgRKE8dMwkJ2aXfQv7uLm0sYcPzWe3HtNoB6i4Gr";
const RECORDED = "SHA256:Qe5Rvb1ZmW8oTjHs9xKdUaF3LpyNc2GtEiB7rXM0hVk";

export const pinOf = (host: string, port: number): HostKeyPin => ({
  host,
  port,
  algorithm: "ssh-ed25519",
  key: "AAAAC3NzaC1lZDI1NTE5AAAAIFake",
  fingerprint: SHOWN,
  compared_at: ago(0),
  compared_by: "operator",
});

/** One way to an SSH host, by scenario: ssh, ssh-jump, ssh-unknown, ssh-changed, ssh-refused, ssh-lost, ssh-secret. */
export function sshWorld(scenario: string): World {
  const jump = scenario === "ssh-jump";
  const asked = scenario === "ssh-secret";
  const access: SshAccess = {
    host: "bastion.example.com",
    port: null,
    user: "deploy",
    implementation: jump || asked ? "russh" : "openssh",
    login:
      jump || asked
        ? { kind: "password", password: { id: "ssh-1", kept: asked ? "ask_each_time" : "keyring" } }
        : { kind: "agent", public_key: null },
    jumps: jump
      ? [{ host: "gate.example.com", port: 2222, user: "ops", login: { kind: "agent", public_key: null } }]
      : [],
    pins: scenario === "ssh-unknown" ? [] : [{ ...pinOf("bastion.example.com", 22), compared_at: ago(20 * 86_400) }],
  };
  const made = environment("ssh", "ledger-production", "production", address("localhost", 5432, "migrate", "ledger"), {
    days: 120,
    system: "661204881200b5e1",
  });
  const reached = {
    "ssh-unknown": "host_key_unknown",
    "ssh-changed": "host_key_changed",
    "ssh-refused": "host_key_refused",
    "ssh-lost": "line_lost",
    "ssh-secret": "ssh_secret",
  } as const;
  return {
    environment: {
      ...made,
      direct: { ...made.direct, address: { ...made.direct.address, tls: "off" } },
      transport: { kind: "ssh", access },
      sandbox: false,
    },
    reached: scenario in reached ? reached[scenario as keyof typeof reached] : "well",
    migrations: [],
    runs: [],
    drifted: false,
  };
}

const key = (fingerprint: string, source: HostKey["source"]): HostKey => ({
  algorithm: "ssh-ed25519",
  fingerprint,
  key: "AAAAC3NzaC1lZDI1NTE5AAAAIFake",
  source,
});

/** A host whose key is on record passes; one named `known…` stands in a known_hosts file; all others are unknown. */
function judge(access: SshDraft | SshAccess, reached: World["reached"]): HostKeyReport | null {
  const shown = key(SHOWN, { kind: "shown" });
  const { host } = access;
  const port = access.port ?? 22;
  if (reached === "host_key_changed")
    return {
      host,
      port,
      verdict: "changed",
      shown,
      recorded: [key(RECORDED, { kind: "pinned", compared_at: ago(20 * 86_400), compared_by: "operator" })],
    };
  if (reached === "host_key_refused")
    return {
      host,
      port,
      verdict: "refused",
      shown,
      recorded: [key(SHOWN, { kind: "known_hosts", path: "/home/ops/.ssh/known_hosts", line: 12 })],
    };
  if (access.pins.some((pin) => pin.host === host) || host.startsWith("known")) return null;
  return { host, port, verdict: "unknown", shown, recorded: [] };
}

/** The walk to the SSH host: hops, the key that is asked about, and what it is explained by. */
export function sshWalk(
  transport: Transport | TransportDraft | undefined,
  reached: World["reached"],
  target: Address,
): { hops: Hop[]; hostKey: HostKeyReport | null; explanation: Explanation | null } {
  if (transport?.kind !== "ssh") return { hops: [], hostKey: null, explanation: null };
  const { access } = transport;
  const hostKey = judge(access, reached);
  const nowhere = access.host.startsWith("nowhere");
  const lost = reached === "line_lost";
  const stops: HopKind | null = nowhere
    ? "ssh_name_lookup"
    : lost
      ? "ssh_tcp"
      : hostKey !== null
        ? "ssh_host_key"
        : null;
  let stopped = false;
  const hops: Hop[] = [];
  const push = (kind: HopKind, name: string, evidence: string, milliseconds: number, trouble?: string) => {
    const blocks = trouble !== undefined && kind === stops;
    hops.push({
      kind,
      name,
      outcome: stopped ? null : blocks ? "block" : "pass",
      evidence: stopped ? "not reached" : blocks ? trouble : evidence,
      milliseconds: stopped ? null : milliseconds,
    });
    if (blocks) stopped = true;
  };
  access.jumps.forEach((jump, at) => {
    const of = ` of ${jump.host}`;
    if (at === 0) push("ssh_name_lookup", `Name lookup of the SSH host${of}`, "203.0.113.7", 4.1);
    push("ssh_tcp", `Port of the SSH host${of}`, `203.0.113.7 answers on port ${jump.port ?? 22}`, 9.4);
    push("ssh_host_key", `SSH host key${of}`, "ssh-ed25519, in /home/ops/.ssh/known_hosts, line 3", 22);
    push("ssh_login", `SSH login${of}`, `as ${jump.user ?? "ops"}, key of the agent`, 64);
  });
  if (access.jumps.length === 0)
    push(
      "ssh_name_lookup",
      "Name lookup of the SSH host",
      "203.0.113.31",
      6.2,
      `The SSH host's name ${access.host} leads nowhere.`,
    );
  push(
    "ssh_tcp",
    "Port of the SSH host",
    "203.0.113.31 answers on port 22",
    11,
    `The SSH host ${access.host} does not answer on port 22.`,
  );
  push(
    "ssh_host_key",
    "SSH host key",
    "ssh-ed25519, the key compared by operator",
    41,
    hostKey?.verdict === "unknown"
      ? `${access.host} shows a key nobody has compared yet.`
      : `The key of ${access.host} is not the one on record.`,
  );
  push(
    "ssh_login",
    "SSH login",
    `as ${access.user ?? "operator"}, ${access.login.kind === "agent" ? "key of the agent" : access.login.kind}`,
    118,
  );
  push("ssh_forwarding", "Forwarding", "allowed by the SSH host", 0.4);
  push("ssh_target", "Target from the SSH host", `${target.host}:${target.port} answers`, 12);
  const explain = (
    hop: HopKind,
    code: Explanation["code"],
    title: string,
    detail: string,
    next: string,
  ): Explanation => ({
    hop,
    code,
    title,
    detail,
    tried: [],
    unchanged: "Nothing of yours was sent: no user name, no key, no password.",
    next,
    suggestion: null,
  });
  const explanation =
    stops === null
      ? null
      : hostKey?.verdict === "unknown" && stops === "ssh_host_key"
        ? explain(
            stops,
            "DRY-1111",
            `${access.host} shows a key nobody has compared yet.`,
            "Without comparing it, nobody knows whether this is your host.",
            "Compare its fingerprint with whoever runs the host.",
          )
        : stops === "ssh_host_key"
          ? explain(
              stops,
              hostKey?.verdict === "changed" ? "DRY-1112" : "DRY-1113",
              `The key of ${access.host} is not the one on record.`,
              "Either the host was set up anew, or this is not your host.",
              "Ask whoever runs the host.",
            )
          : explain(
              stops,
              nowhere ? "DRY-1101" : "DRY-1102",
              nowhere
                ? `The SSH host's name ${access.host} leads nowhere.`
                : `The SSH host ${access.host} does not answer.`,
              nowhere ? "The name service knows no such name." : "No answer came within 10 s.",
              "Check the host's name; if it is an alias, it has to stand in your ssh configuration.",
            );
  return { hops, hostKey: stops === "ssh_host_key" ? hostKey : null, explanation };
}

export function sshChoice(draft: SshDraft): Choice {
  const choice = fitting(draft);
  const builtIn = (draft.implementation ?? choice.implementation) === "russh";
  return {
    ...choice,
    notes: builtIn ? ["/home/ops/.ssh/config, line 7: `ControlMaster` is not followed; it changes nothing here."] : [],
  };
}

function fitting(draft: SshDraft): Omit<Choice, "notes"> {
  switch (draft.login.kind) {
    case "password":
      return {
        implementation: "russh",
        reason: "Built in: your own ssh cannot be handed a password from the keyring.",
      };
    case "keyboard_interactive":
      return { implementation: "russh", reason: "Built in: your own ssh would ask its questions on a terminal." };
    case "key_file":
      return draft.login.passphrase.kind === "none"
        ? { implementation: "openssh", reason: "Your own ssh: it uses this key file with your configuration." }
        : { implementation: "russh", reason: "Built in: your own ssh cannot be handed a passphrase from the keyring." };
    case "agent":
      return {
        implementation: "openssh",
        reason: "Your own ssh: it uses your agent and your configuration as you do.",
      };
  }
}

function loginFrom(draft: SshDraft["login"]): SshLogin {
  const credential = { id: "ssh-1", kept: "keyring" as const };
  switch (draft.kind) {
    case "agent":
      return { kind: "agent", public_key: null };
    case "key_file":
      return { ...draft, passphrase: draft.passphrase.kind === "none" ? null : credential };
    case "password":
      return { kind: "password", password: credential };
    case "keyboard_interactive":
      return { ...draft, answer: draft.answer.kind === "none" ? null : credential };
  }
}

export function transportFrom(draft: TransportDraft | undefined): Transport {
  if (draft?.kind !== "ssh") return { kind: "direct" };
  const { access } = draft;
  return {
    kind: "ssh",
    access: {
      ...access,
      implementation: access.implementation ?? sshChoice(access).implementation,
      login: loginFrom(access.login),
      jumps: access.jumps.map((jump) => ({ ...jump, login: loginFrom(jump.login) })),
    },
  };
}

/** A line in `ssh-lost` is open at first and lost a moment later. */
export function lineOf(world: World, started: number): LineStatus | null {
  const { transport } = world.environment;
  if (transport?.kind !== "ssh") return null;
  const state = (): TunnelState | null => {
    if (world.reached === "line_lost")
      return Date.now() - started > 1500
        ? {
            kind: "lost",
            reason: "No answer from bastion.example.com for 8 s.",
            since: new Date(started + 1500).toISOString(),
          }
        : { kind: "open", since: ago(300) };
    return world.reached === "well" ? { kind: "open", since: ago(300) } : null;
  };
  return { host: sshLabel(transport.access), implementation: transport.access.implementation, state: state() };
}
