import { expect, test } from "vitest";
import type { Hop, HopKind, SshDraft } from "./bindings";
import { explainedHop, hopKey, hopName, legsOf } from "./hops";
import { blankSsh } from "./ssh";

const hop = (kind: HopKind, name: string, outcome: Hop["outcome"] = "pass"): Hop => ({
  kind,
  name,
  outcome,
  evidence: "",
  milliseconds: 1,
});
const access: SshDraft = { ...blankSsh(), host: "bastion", user: "deploy" };
const keys = (legs: ReturnType<typeof legsOf>) => legs.map((leg) => [leg.key, leg.rows.map((row) => row.key)]);

test("a direct way has no SSH hops, before and after the walk", () => {
  const legs = legsOf([], null, { kind: "direct" }, false);
  expect(legs.map((leg) => leg.key)).toEqual(["computer", "database"]);
  expect(legs[0]?.rows.map((row) => row.kind)).toEqual(["name_lookup", "tcp", "tls"]);
});

test("an SSH way names the hops to the host first, then those from there", () => {
  const legs = legsOf([], null, { kind: "ssh", access }, false);
  expect(keys(legs).slice(0, 2)).toEqual([
    ["ssh", ["ssh_name_lookup", "ssh_tcp", "ssh_host_key", "ssh_login"]],
    ["from-ssh", ["ssh_forwarding", "ssh_target", "tls"]],
  ]);
  expect(legs[0]?.place).toBe("deploy@bastion");
});

test("a jump host's hops stand by themselves, and are told apart from the host's own", () => {
  const hops = [
    hop("ssh_name_lookup", "Name lookup of the SSH host of gate"),
    hop("ssh_tcp", "Port of the SSH host of gate"),
    hop("ssh_host_key", "SSH host key of gate"),
    hop("ssh_login", "SSH login of gate"),
    hop("ssh_tcp", "Port of the SSH host"),
    hop("ssh_host_key", "SSH host key", "block"),
  ];
  const legs = legsOf(hops, null, { kind: "ssh", access }, true);
  expect(keys(legs)).toEqual([
    ["way gate", ["ssh_name_lookup gate", "ssh_tcp gate", "ssh_host_key gate", "ssh_login gate"]],
    ["ssh", ["ssh_tcp", "ssh_host_key"]],
  ]);
  const explained = explainedHop(hops, "ssh_host_key");
  expect(explained && hopKey(explained), "the one that blocks is explained").toBe("ssh_host_key");
  expect(hops[3] && hopName(hops[3])).toBe("Login on gate");
});
