import { describe, expect, test } from "vitest";
import {
  closedWhy,
  isShown,
  joined,
  keepingWords,
  namesIn,
  secondsLeft,
  staysWhatever,
  tableIn,
  tableText,
  taken,
  takenAt,
  titleOf,
  trustOf,
} from "./backups";
import type { BackupPolicy, BackupView } from "./bindings";
import { keysIn, lossWords, objectOf, placeOf } from "./restore";

const now = new Date(2026, 5, 21, 15, 0).getTime();
const at = (day: number, hour: number, minute = 0) => new Date(2026, 5, day, hour, minute).toISOString();
const policy: BackupPolicy = {
  folder: "",
  keep_days: 30,
  keep_count: 0,
  keep_gb: 0,
  daily_at: null,
  old_after_hours: 26,
  prove_up_to_mb: 4096,
};
const view = (more: Partial<BackupView> = {}): BackupView => ({
  id: "b",
  environment_id: "production",
  environment_name: "production",
  kind: "deep",
  state: "complete",
  taken_at: at(21, 14, 2),
  holds: "43 tables",
  tables: 43,
  rows: 10,
  bytes: 10,
  proof: "proven",
  proof_at: at(21, 14, 33),
  run_id: null,
  run_number: null,
  imported: null,
  knows_database: true,
  has_key: true,
  ...more,
});

describe("when a backup was taken", () => {
  test("near days are said in words, far ones by their date", () => {
    expect([at(21, 14, 2), at(20, 2), at(17, 2), at(9, 2)].map((then) => taken(then, now))).toEqual([
      "Today 14:02",
      "Yesterday 02:00",
      "Wed 02:00",
      "9 Jun 02:00",
    ]);
    expect(taken(new Date(2025, 5, 9, 2).toISOString(), now)).toBe("9 Jun 2025 02:00");
  });
  test("inside a sentence today is left out", () => {
    expect(takenAt(at(21, 14, 2), now)).toBe("14:02");
    expect(takenAt(at(20, 2), now)).toBe("yesterday 02:00");
    expect(titleOf(view(), now)).toBe("Deep backup, today 14:02");
    expect(titleOf(view({ taken_at: at(17, 2) }), now), "days keep their capital").toBe("Deep backup, Wed 02:00");
  });
});

describe("how far a backup can be trusted", () => {
  const told = (more: Partial<BackupView>, rules = policy) => {
    const { dress, beside } = trustOf(view(more), rules, now);
    return [dress.tone, dress.word, beside];
  };
  test("only one that is here, proven and not old passes", () => {
    expect(told({})).toEqual(["pass", "Proven", "at 14:33"]);
    expect(told({ proof_at: at(9, 2) })).toEqual(["stale", "Proven", "12 days ago"]);
    expect(told({ proof_at: at(9, 2) }, { ...policy, old_after_hours: 0 })[0], "0 hours: never old").toBe("pass");
    expect(told({ has_key: false })).toEqual(["warn", "No key", "import it"]);
  });
  test("no other state is a pass, whatever its proof was", () => {
    const states = ["taking", "broken", "gone"] as const;
    expect(states.map((state) => told({ state })[1])).toEqual(["Taking", "Broken", "Gone"]);
    const proofs = ["unproven", "proving", "failed", "unknown"] as const;
    expect(proofs.map((proof) => told({ proof, proof_at: null })[0])).toEqual([
      "unknown",
      "running",
      "block",
      "unknown",
    ]);
  });
  test("what cannot be used says why, and counts as not proven", () => {
    expect(closedWhy(view())).toBe(false);
    expect(closedWhy(view({ has_key: false }))).toContain("key");
    expect(isShown.open(view({ state: "gone" }))).toBe(true);
    expect(isShown.open(view())).toBe(false);
  });
  test("the newest proven one of each kind stays", () => {
    const all = [
      view({ id: "new", proof: "unproven" }),
      view({ id: "proven", taken_at: at(20, 2) }),
      view({ id: "older", taken_at: at(19, 2) }),
      view({ id: "quick", kind: "quick", taken_at: at(1, 2) }),
    ];
    expect([...staysWhatever(all)]).toEqual(["proven", "quick"]);
  });
});

describe("keeping", () => {
  test("rules are one sentence, and 0 is no rule", () => {
    expect(keepingWords(policy)).toBe("Older than 30 days is removed; the newest proven one and imports always stay.");
    expect(keepingWords({ ...policy, keep_days: 0 })).toBe("Nothing is removed by itself.");
    expect(keepingWords({ ...policy, keep_count: 9, keep_gb: 64 })).toContain(
      "30 days, or more than 9, or beyond 64 GB",
    );
  });
  test("a file lies in its folder on every system", () => {
    expect(joined("/home/ops", "keys.age")).toBe("/home/ops/keys.age");
    expect(joined("C:\\Keys\\", "keys.age")).toBe("C:\\Keys\\keys.age");
  });
});

describe("names that are typed", () => {
  test("commas, blanks and breaks part them; quotes keep them", () => {
    expect(namesIn('users, billing.invoices\n"odd, name" users')).toEqual(["users", "billing.invoices", '"odd, name"']);
  });
  test("a name alone is of the environment's schema, and is found again as it was typed", () => {
    expect(tableIn("users", "app")).toEqual({ schema: "app", name: "users" });
    expect(tableIn('billing."a.b"', "app")).toEqual({ schema: "billing", name: "a.b" });
    for (const table of [
      { schema: "public", name: "users" },
      { schema: "odd schema", name: 'a."b' },
    ])
      expect(tableIn(tableText(table), "public")).toEqual(table);
  });
  test("keys are a row a line", () => {
    expect(keysIn('1\n 2 , b \n\n"a, b",c')).toEqual([["1"], ["2", "b"], ["a, b", "c"]]);
    expect(keysIn("7,")).toEqual([["7", ""]]);
  });
});

describe("how long it takes", () => {
  const moved = { bytes: 25, bytes_total: 100, tables_done: 0, tables_total: 4, seconds: 10 };
  test("by bytes, else by tables, and never at its very beginning", () => {
    expect(secondsLeft(moved)).toBe(30);
    expect(secondsLeft({ ...moved, bytes_total: 0, tables_done: 2 })).toBe(10);
    expect(secondsLeft({ ...moved, seconds: 1 })).toBeNull();
    expect(secondsLeft({ ...moved, bytes: 120 }), "more than was expected").toBeNull();
    expect(secondsLeft({ ...moved, bytes_total: 0, tables_total: 0 })).toBeNull();
  });
});

describe("a restore in words", () => {
  test("act, object and place", () => {
    expect(objectOf({ kind: "everything" }, view(), now)).toBe("the deep backup of 14:02");
    const users = { schema: "public", name: "users" };
    expect(objectOf({ kind: "tables", tables: [users] }, view(), now)).toBe("table users of 14:02");
    expect(objectOf({ kind: "rows", table: users, keys: [["1"], ["2"]] }, view(), now)).toBe(
      "2 rows of users of 14:02",
    );
    const dump = { ...view(), imported: "imported from nightly.dump" };
    expect(objectOf({ kind: "everything" }, dump, now)).toBe("the deep backup imported from nightly.dump");
    expect(objectOf({ kind: "tables", tables: [users] }, dump, now)).toBe(
      "table users of the backup imported from nightly.dump",
    );
    expect(placeOf({ kind: "swap" }, "production")).toBe("over production");
    expect(placeOf({ kind: "new_database", name: "shop_2" }, "production")).toBe("into a new database shop_2");
  });
  test("what is not known is said", () => {
    expect(lossWords({ new: 1, changed: 2, deleted: 0, unknown: 1 })).toBe(
      "1 new row gone, 2 changes gone, 1 table not known",
    );
    expect(lossWords({ new: 0, changed: 0, deleted: 0, unknown: 0 })).toContain("nothing");
  });
});
