import { describe, expect, test } from "vitest";
import type { SshDraft } from "./bindings";
import {
  blankSsh,
  compareCommand,
  compareFingerprint,
  fingerprintGroups,
  keptIn,
  lacking,
  loginOf,
  splitHost,
  withoutJump,
} from "./ssh";

const SHOWN = "SHA256:nThbgRKE8dMwkJ2aXfQv7uLm0sYcPzWe3HtNoB6i4Gr";

describe("a fingerprint is compared as a whole", () => {
  test("in groups, all 43 characters of it", () => {
    const groups = fingerprintGroups(SHOWN);
    expect(groups).toHaveLength(11);
    expect(groups.join("")).toHaveLength(43);
  });

  test("what ssh-keygen prints is understood, alone or as a line", () => {
    expect(compareFingerprint(SHOWN, SHOWN)).toBe("same");
    expect(compareFingerprint(SHOWN.slice(7), SHOWN)).toBe("same");
    expect(compareFingerprint(`256 ${SHOWN} root@bastion (ED25519)\n`, SHOWN)).toBe("same");
  });

  test("one other character is another key, and a part of it is no comparison", () => {
    expect(compareFingerprint(SHOWN.replace("4Gr", "4Gs"), SHOWN)).toBe("other");
    expect(compareFingerprint(SHOWN.toLowerCase().replace("sha256", "SHA256"), SHOWN)).toBe("other");
    expect(compareFingerprint(SHOWN.slice(0, 30), SHOWN)).toBe("partial");
    expect(compareFingerprint(`${SHOWN}x`, SHOWN)).toBe("partial");
    expect(compareFingerprint("  ", SHOWN)).toBe("nothing");
    expect(compareFingerprint("SHA256:", SHOWN)).toBe("nothing");
  });

  test("the command asks for the kind of key that was shown", () => {
    expect(compareCommand("ssh-ed25519")).toBe("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    expect(compareCommand("ecdsa-sha2-nistp256")).toContain("ssh_host_ecdsa_key.pub");
    expect(compareCommand("rsa-sha2-512")).toContain("ssh_host_rsa_key.pub");
  });
});

test("a pasted login is taken apart", () => {
  expect(splitHost("ssh deploy@bastion.example.com:2222")).toEqual({
    host: "bastion.example.com",
    user: "deploy",
    port: 2222,
  });
  expect(splitHost("bastion")).toEqual({ host: "bastion", user: null, port: null });
  expect(splitHost("ssh://ops@[2001:db8::1]:22")).toEqual({ host: "2001:db8::1", user: "ops", port: 22 });
  expect(splitHost("2001:db8::1"), "an address without brackets stays as it is").toBeNull();
  expect(splitHost("two words")).toBeNull();
});

test("a stored secret is kept only for the kind of login it was stored for", () => {
  const saved = { kind: "password" as const, password: { id: "1", kept: "vault" as const } };
  expect(loginOf("password", saved)).toEqual({ kind: "password", password: { kind: "keep" } });
  expect(keptIn(saved, "password")).toBe("vault");
  expect(loginOf("key_file", saved)).toEqual({ kind: "key_file", path: "", passphrase: { kind: "none" } });
  expect(keptIn(saved, "key_file")).toBeNull();
});

test("a stored secret never moves to another jump host", () => {
  const jump = (host: string): SshDraft["jumps"][number] => ({
    host,
    port: null,
    user: null,
    login: { kind: "password", password: { kind: "keep" } },
  });
  const access = { ...blankSsh(), host: "end", jumps: [jump("one"), jump("two"), jump("three")] };
  const left = withoutJump(access, 1);
  expect(left.map((one) => [one.host, one.login])).toEqual([
    ["one", { kind: "password", password: { kind: "keep" } }],
    ["three", { kind: "password", password: { kind: "none" } }],
  ]);
  expect(lacking({ kind: "ssh", access: { ...access, jumps: left } })).toBe("The password for three is needed.");
});

test("what a form lacks is said before the test", () => {
  expect(lacking({ kind: "direct" })).toBeNull();
  expect(lacking({ kind: "ssh", access: blankSsh() })).toBe("The SSH host is needed.");
  const access = { ...blankSsh(), host: "bastion" };
  expect(lacking({ kind: "ssh", access })).toBeNull();
  expect(lacking({ kind: "ssh", access: { ...access, login: loginOf("key_file", null) } })).toContain("key file");
});
