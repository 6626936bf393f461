import { api } from "../lib/api";
import type {
  AccessDraft,
  DoctorReport,
  EnvironmentDraft,
  Hop,
  HostKeyReport,
  SshDraft,
  Tier,
  TransportDraft,
} from "../lib/bindings";
import { lineOnly } from "../lib/draft";
import { blankAddress, isLocal, rulesFor } from "../lib/environment";
import { blankSsh, lacking, sshLabel } from "../lib/ssh";
import type { Next } from "../lib/press";
import type { Console } from "./console.svelte";

/** From an SSH login to a tested environment, one question at a time. */
export class SshStart {
  readonly #console: Console;
  question = $state<"host" | "database" | "name">("host");
  access = $state<SshDraft>(blankSsh());
  direct = $state<AccessDraft>({
    address: { ...blankAddress(), host: "localhost", tls: "off" },
    password: { kind: "none" },
  });
  name = $state("");
  tier = $state<Tier>("production");
  hops = $state.raw<Hop[]>([]);
  report = $state.raw<DoctorReport | null>(null);
  busy = $state<"walk" | "save" | null>(null);
  /** The host's key is asked about. */
  asksKey = $state(false);
  /** Whether something answers at the database's usual port on the host. */
  found = $state(false);

  constructor(console: Console) {
    this.#console = console;
  }

  get transport(): TransportDraft {
    return { kind: "ssh", access: this.access };
  }

  get host(): string {
    return sshLabel(this.access) || "the SSH host";
  }

  /** Beyond the SSH host itself nothing leaves it unencrypted unless the operator says so. */
  moved() {
    const { address } = this.direct;
    if (isLocal(address) && address.tls === "verify_full") address.tls = "off";
    else if (!isLocal(address) && address.tls === "off") address.tls = "verify_full";
  }

  get #draft(): EnvironmentDraft {
    const { name, tier } = this;
    return $state.snapshot({
      name: name.trim() === "" ? this.direct.address.database : name.trim(),
      tier,
      colour: "tier",
      runtime: null,
      direct: this.direct,
      transport: this.transport,
      rules: rulesFor(tier),
      migrations_folder: null,
    });
  }

  #restart(question: SshStart["question"]) {
    this.question = question;
    this.report = null;
    this.hops = [];
  }

  async #walk(draft: EnvironmentDraft): Promise<DoctorReport | null> {
    this.busy = "walk";
    this.hops = [];
    this.report = null;
    const report = await this.#console.press(() =>
      api.testDraft(draft, null, (hop) => (this.hops = [...this.hops, hop])),
    );
    this.busy = null;
    this.report = report;
    this.hops = report?.hops ?? [];
    this.asksKey = report?.host_key != null;
    return report;
  }

  /** What was seen of another host says nothing about this one. */
  forget() {
    if (this.busy === null) this.#restart(this.question);
  }

  /** To the SSH host alone: its key is compared before anything else is asked. */
  async reach() {
    await this.#console.taken();
    const report = await this.#walk(lineOnly($state.snapshot(this.access)));
    const passed = (kind: Hop["kind"]) => report?.hops.findLast((hop) => hop.kind === kind)?.outcome === "pass";
    const forbidden = report?.hops.some((hop) => hop.kind === "ssh_forwarding" && hop.outcome === "block");
    if (!passed("ssh_login") || forbidden === true) return;
    this.found = passed("ssh_target");
    this.#restart("database");
  }

  async test() {
    await this.#console.taken();
    const report = await this.#walk(this.#draft);
    if (report?.usable === true) this.#named();
  }

  #named() {
    this.question = "name";
    const { database } = this.direct.address;
    if (this.name === "" && database !== "postgres") this.name = database;
  }

  /** A compared key is pinned in the draft; the walk that asked for it is taken again. */
  async trust(key: HostKeyReport) {
    const pin = await this.#console.press(() => api.pinHostKey(key));
    this.asksKey = false;
    if (pin === null) return;
    this.access.pins = [...this.access.pins, pin];
    await (this.question === "host" ? this.reach() : this.test());
  }

  async save() {
    const draft = this.#draft;
    this.busy = "save";
    await this.#console.press(async (lead) => {
      const environment = await api.createEnvironment(draft);
      this.#console.environments.keep(environment);
      await this.#console.environments.list.read();
      lead({ screen: "overview", environment: environment.id });
    });
    this.busy = null;
  }

  get headline(): string {
    if (this.question === "host") return this.report?.headline ?? "What do you have?";
    if (this.question === "name") return this.report?.headline ?? "How is it called?";
    return this.report?.headline ?? `${this.host} lets Drydock in. Which database is it?`;
  }

  get lead(): string {
    if (this.question === "host" && this.report !== null)
      return this.report.host_key == null
        ? "The way to the SSH host, hop by hop. The database was not logged in to."
        : "It is compared before anything of yours is sent there.";
    if (this.report !== null) return this.report.lead;
    if (this.question === "host") return "Pick one; Drydock asks for the rest. It only reads until you approve a plan.";
    return this.found
      ? "Something answers there at localhost, port 5432: that is filled in already."
      : "Nothing answers there at localhost, port 5432. Ask where the database listens, as that host sees it.";
  }

  get next(): Next {
    const busy = this.busy === "walk" && "Testing…";
    const key = this.report?.host_key ?? null;
    const back = (question: SshStart["question"], words: string) => ({ words, press: () => this.#restart(question) });
    if (key !== null && this.busy === null)
      return {
        title: key.verdict === "unknown" ? "Compare the host's key." : "Ask whoever runs the host.",
        detail: "Nothing of yours was sent to it so far.",
        primary: {
          words: key.verdict === "unknown" ? "Compare the key" : "Look at the keys",
          press: () => (this.asksKey = true),
        },
        others: [
          {
            words: "Test again",
            icon: "rotate-ccw",
            press: () => (this.question === "host" ? this.reach() : this.test()),
          },
        ],
      };
    if (this.question === "host")
      return {
        title: this.report === null ? "Reach the SSH host." : "Mend what blocks, then try again.",
        detail: "Its key is compared first; then one login. The database is not logged in to yet.",
        primary: {
          words: this.report === null ? "Reach the host" : "Try again",
          press: () => this.reach(),
          busy,
          locked: lacking(this.transport) ?? false,
        },
      };
    if (this.question === "database") {
      const { address } = this.direct;
      const needed = [
        [address.host, "The database's host is needed."],
        [address.database, "The database's name is needed."],
        [address.user, "The database user is needed."],
      ].find(([text]) => (text ?? "").trim() === "");
      return {
        title: this.report === null ? "Test the whole way, hop by hop." : "Mend what blocks, then test again.",
        detail: "From this computer through the SSH host into the database. Nothing is written.",
        primary: {
          words: this.report === null ? "Test the connection" : "Test again",
          press: () => this.test(),
          busy,
          locked: needed?.[1] ?? false,
        },
        others: [
          back("host", "Another SSH host"),
          ...(this.report === null || this.busy !== null
            ? []
            : [{ words: "Go on with it as it is", press: () => this.#named() }]),
        ],
      };
    }
    return {
      title: this.name.trim() === "" ? "Give it a name." : `Save ${this.name.trim()} and read its overview.`,
      detail:
        this.report?.usable === true
          ? "Every hop was tested. Reading writes nothing."
          : "Not every hop passed. Reading writes nothing.",
      primary: {
        words: "Save and open",
        press: () => this.save(),
        busy: this.busy === "save" && "Saving…",
        locked: this.name.trim() === "" && "Give it a name first.",
      },
      others: [back("database", "Change the address")],
    };
  }
}
