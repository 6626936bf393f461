/** The SSH half of a form and of a host key's comparison; pure. */
import type {
  HostKey,
  HostKeyReport,
  Keeping,
  PasswordChoice,
  SshDraft,
  SshImplementation,
  SshLogin,
  SshLoginDraft,
  TransportDraft,
} from "./bindings";

export type LoginKind = SshLoginDraft["kind"];

export const loginWords: Record<LoginKind, string> = {
  agent: "My keys (agent)",
  key_file: "A key file",
  password: "A password",
  keyboard_interactive: "Questions of the host",
};

export const implementationWords: Record<SshImplementation, string> = { openssh: "your own ssh", russh: "built in" };

/** `deploy@bastion.example.com`, as the engine says it. */
export function sshLabel({ host, user }: { host: string; user: string | null }): string {
  return user === null || user === "" ? host : `${user}@${host}`;
}

export function blankSsh(): SshDraft {
  return { host: "", port: null, user: null, implementation: null, login: { kind: "agent" }, jumps: [], pins: [] };
}

/** A login of that kind. A stored secret is kept only where the kind is the one it was stored for. */
export function loginOf(kind: LoginKind, saved: SshLogin | null): SshLoginDraft {
  const secret: PasswordChoice = keptIn(saved, kind) === null ? { kind: "none" } : { kind: "keep" };
  switch (kind) {
    case "agent":
      return { kind };
    case "key_file":
      return { kind, path: saved?.kind === kind ? saved.path : "", passphrase: secret };
    case "password":
      return { kind, password: secret };
    case "keyboard_interactive":
      return { kind, answer: secret };
  }
}

/** Where the secret of a stored login is kept; null: it has none, or is of another kind. */
export function keptIn(saved: SshLogin | null, kind: LoginKind): Keeping | null {
  if (saved === null || saved.kind !== kind) return null;
  switch (saved.kind) {
    case "agent":
      return null;
    case "key_file":
      return saved.passphrase?.kept ?? null;
    case "password":
      return saved.password.kept;
    case "keyboard_interactive":
      return saved.answer?.kept ?? null;
  }
}

/** Takes apart what people paste into the host's field: `ssh deploy@bastion.example.com:2222`. */
export function splitHost(text: string): { host: string; user: string | null; port: number | null } | null {
  const found = /^(?:ssh\s+|ssh:\/\/)?(?:([^@\s]+)@)?(\[[^\]\s]+\]|[^@:\s/]+)(?::(\d{1,5}))?\/?$/.exec(text.trim());
  if (found === null) return null;
  const [, user, host = "", port] = found;
  return { host: host.replace(/^\[|\]$/g, ""), user: user ?? null, port: port === undefined ? null : Number(port) };
}

/** What a form still lacks, as the locked button says it. */
export function lacking(transport: TransportDraft | undefined): string | null {
  if (transport?.kind !== "ssh") return null;
  const { access } = transport;
  if (access.host.trim() === "") return "The SSH host is needed.";
  for (const one of [...access.jumps, access]) {
    const host = one.host.trim();
    if (host === "") return "A jump host has no name. Fill it in, or remove it.";
    if (one.login.kind === "key_file" && one.login.path.trim() === "") return `The key file for ${host} is needed.`;
    if (one.login.kind === "key_file" && one.login.path.trim().startsWith("~"))
      return `Write the key file for ${host} with its full path, without ~.`;
    if (one.login.kind === "password" && one.login.password.kind === "none")
      return `The password for ${host} is needed.`;
  }
  return null;
}

/** Without one of its jump hosts. Stored secrets go by place, so those behind it have to be entered again. */
export function withoutJump(access: SshDraft, index: number): SshDraft["jumps"] {
  return access.jumps
    .filter((_, at) => at !== index)
    .map((jump, at) => (at < index ? jump : { ...jump, login: withoutStored(jump.login) }));
}

function withoutStored(login: SshLoginDraft): SshLoginDraft {
  const entered = (choice: PasswordChoice): PasswordChoice => (choice.kind === "keep" ? { kind: "none" } : choice);
  switch (login.kind) {
    case "agent":
      return login;
    case "key_file":
      return { ...login, passphrase: entered(login.passphrase) };
    case "password":
      return { ...login, password: entered(login.password) };
    case "keyboard_interactive":
      return { ...login, answer: entered(login.answer) };
  }
}

const PREFIX = "SHA256:";

/** The 43 characters in groups of four, as they are read out. */
export function fingerprintGroups(fingerprint: string): string[] {
  return fingerprint.replace(PREFIX, "").match(/.{1,4}/g) ?? [];
}

/** What was pasted beside what the host showed: a whole line of ssh-keygen will do. */
export function compareFingerprint(pasted: string, shown: string): "nothing" | "partial" | "other" | "same" {
  const text = pasted.trim();
  if (text === "" || text === PREFIX) return "nothing";
  const whole = [...text.matchAll(/(?:^|[\s:])([A-Za-z0-9+/]{43})(?=$|[\s=])/g)].map((found) => found[1]);
  if (whole.length === 0) return "partial";
  return whole.includes(shown.replace(PREFIX, "")) ? "same" : "other";
}

/** `ED25519`, as ssh-keygen prints it behind the fingerprint. */
export function algorithmWords(algorithm: string): string {
  if (algorithm.includes("ed25519")) return "ED25519";
  if (algorithm.includes("ecdsa")) return "ECDSA";
  if (algorithm.includes("rsa")) return "RSA";
  return algorithm;
}

/** What prints the same fingerprint on the host itself. */
export function compareCommand(algorithm: string): string {
  const kind = { ED25519: "ed25519", ECDSA: "ecdsa", RSA: "rsa" }[algorithmWords(algorithm)] ?? "*";
  return `ssh-keygen -lf /etc/ssh/ssh_host_${kind}_key.pub`;
}

/** `bastion.example.com`, with its port where that is not the usual one. */
export function hostAndPort({ host, port }: Pick<HostKeyReport, "host" | "port">): string {
  if (port === 22) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The recorded keys, those of the shown kind first: they are what is compared. */
export function recordedFirst(report: HostKeyReport): HostKey[] {
  const same = (key: HostKey) => (key.algorithm === report.shown.algorithm ? 0 : 1);
  return [...report.recorded].sort((one, other) => same(one) - same(other));
}
