import type { HopKind } from "./bindings";

/** The hops in their order, named before they answer, so that nothing jumps as they arrive. */
export const legs: { from: "computer" | "database"; hops: [HopKind, string][] }[] = [
  {
    from: "computer",
    hops: [
      ["name_lookup", "Name lookup"],
      ["tcp", "TCP"],
      ["tls", "Encryption"],
    ],
  },
  {
    from: "database",
    hops: [
      ["authentication", "Authentication"],
      ["database", "Database"],
      ["schema", "Schema"],
      ["pooler_mode", "Pooler mode"],
      ["writable", "Writable"],
      ["privileges", "Rights"],
      ["server_version", "Server version"],
      ["identity", "Identity"],
      ["same_database", "Same database"],
    ],
  },
];

export function hopName(kind: HopKind): string {
  for (const leg of legs) for (const [known, name] of leg.hops) if (known === kind) return name;
  return kind;
}
