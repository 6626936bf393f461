import { expect, test } from "vitest";
import type { Desk, DeskAction, DeskItem, DeskStage, DeskState, Gate, Stage } from "./bindings";
import {
  busyWords,
  countdown,
  deskDress,
  gatesWords,
  isMoving,
  isOld,
  maySay,
  mayUnsay,
  nextMoment,
  placeOf,
  pressOf,
  secondsUntil,
  tickOf,
  watchMarks,
} from "./desk";

const now = Date.parse("2026-03-18T14:00:00Z");
const at = (seconds: number) => new Date(now + seconds * 1000).toISOString();

const item = (more: Partial<DeskItem> = {}): DeskItem => ({
  id: "pre-deploy/team-told",
  title: "The team knows",
  state: "waiting",
  text: "Tell them.",
  at: null,
  link: null,
  by_person: true,
  said: null,
  not_before: null,
  checklist: "Pre-deploy",
  ...more,
});

const stage = (name: Stage, state: DeskState, items: DeskItem[] = []): DeskStage => ({
  stage: name,
  title: name,
  state,
  ticked: 0,
  text: "",
  at: null,
  items,
});

function desk(action: DeskAction, subject: string | null = null, more: Partial<Desk> = {}): Desk {
  return {
    headline: "",
    lead: "",
    release: {
      id: "r",
      number: 12,
      environment_id: "production",
      kind: "migrations",
      begun_at: at(-60),
      begun_by: "ops",
      ended_at: null,
      put_away: null,
      plan_id: "plan-31",
      said: [],
      sealed: null,
    },
    plan_number: 31,
    stages: [stage("prepare", "waiting", [item()])],
    current: "prepare",
    gates: [],
    applied_at: null,
    frozen: null,
    own_checklists: "",
    operator: "ops",
    earlier: [],
    next: { action, title: "", detail: "", button: "", subject },
    read_at: at(0),
    ...more,
  };
}

test("every action is one press: it leads elsewhere, asks something, or works here", () => {
  const presses: [DeskAction, string | null, unknown][] = [
    ["begin", null, { kind: "do", what: "begin" }],
    ["read_again", null, { kind: "do", what: "read" }],
    ["nothing", null, { kind: "do", what: "read" }],
    ["make_plan", null, { kind: "do", what: "plan" }],
    ["compare_drift", null, { kind: "do", what: "compare" }],
    ["verify", null, { kind: "do", what: "verify" }],
    ["end", null, { kind: "do", what: "end" }],
    ["dry_run", null, { kind: "do", what: "dry_run", plan: "plan-31" }],
    ["back_up", null, { kind: "do", what: "back_up", plan: "plan-31" }],
    ["prove", "b-1", { kind: "do", what: "prove", backup: "b-1" }],
    ["apply", null, { kind: "ask", what: "apply", plan: "plan-31" }],
    ["lift_freeze", null, { kind: "ask", what: "lift" }],
    ["say", "pre-deploy/team-told", { kind: "ask", what: "say", item: "pre-deploy/team-told" }],
    ["open_doctor", null, { kind: "go", place: { screen: "doctor", environment: "production" } }],
    ["open_drift", null, { kind: "go", place: { screen: "drift", environment: "production" } }],
    ["open_migrations", null, { kind: "go", place: { screen: "migrations", environment: "production" } }],
    ["open_verification", null, { kind: "go", place: { screen: "verification", environment: "production" } }],
    ["open_run", "run-1", { kind: "go", place: { screen: "run", environment: "production", run: "run-1" } }],
    ["open_plan", "plan-3", { kind: "go", place: { screen: "plan", environment: "production", plan: "plan-3" } }],
    ["open_backup", "b-1", { kind: "go", place: { screen: "backup", environment: "production", backup: "b-1" } }],
  ];
  for (const [action, subject, press] of presses)
    expect(pressOf(desk(action, subject), "production"), action).toEqual(press);
});

test("without its subject nothing is guessed", () => {
  const press = (action: DeskAction) => pressOf(desk(action), "production");
  expect(press("open_run")).toEqual({ kind: "go", place: { screen: "runs", environment: "production" } });
  expect(press("prove")).toEqual({ kind: "go", place: { screen: "backups", environment: "production" } });
  expect(press("open_backup")).toEqual({ kind: "go", place: { screen: "backups", environment: "production" } });
  expect(pressOf(desk("say", "gone"), "production")).toEqual({ kind: "do", what: "read" });
  for (const action of ["dry_run", "back_up", "apply"] as const)
    expect(pressOf(desk(action, null, { release: null }), "production")).toEqual({ kind: "do", what: "read" });
});

test("whatever works here says what it does meanwhile", () => {
  for (const action of ["begin", "make_plan", "compare_drift", "dry_run", "back_up", "prove", "verify", "end"] as const)
    expect(busyWords[action]).toMatch(/…$/);
});

test("only evidence ticks: unknown, waiting, running and locked never do", () => {
  const looks = (["pass", "warn", "unknown", "locked", "waiting", "running", "block"] as const).map((state) =>
    tickOf(state),
  );
  expect(looks).toEqual(["on", "warn", "unknown", "locked", "empty", "empty", "empty"]);
  expect(deskDress("unknown").tone).toBe("unknown");
});

test("what is old passes nothing, but still blocks", () => {
  expect(tickOf("pass", true)).toBe("old");
  expect(deskDress("pass", true).tone).toBe("stale");
  expect(deskDress("warn", true).tone).toBe("stale");
  expect(deskDress("block", true).tone).toBe("block");
  expect(deskDress("unknown", true).tone).toBe("unknown");
  expect(isOld(desk("apply"), now + 299_000)).toBe(false);
  expect(isOld(desk("apply"), now + 301_000)).toBe(true);
});

test("the desk follows a run at work", () => {
  expect(isMoving(desk("open_run", "run-1"))).toBe(false);
  expect(isMoving(desk("say"))).toBe(false);
  expect(isMoving(desk("read_again", null, { stages: [stage("dry_run", "running")] }))).toBe(true);
  const proving = stage("back_up", "unknown", [item({ state: "running", by_person: false })]);
  expect(isMoving(desk("read_again", null, { stages: [proving] }))).toBe(true);
});

test("a person says what is open: not before its time, not after the apply, not without a plan", () => {
  const open = desk("say");
  expect(maySay(open, "prepare", item(), now)).toBe(true);
  expect(maySay(open, "prepare", item({ by_person: false }), now)).toBe(false);
  expect(maySay(open, "watch", item(), now)).toBe(false);
  const unplanned = desk("say", null, {
    release: { ...(open.release as NonNullable<Desk["release"]>), plan_id: null },
  });
  expect(maySay(unplanned, "plan", item(), now)).toBe(false);
  expect(maySay(unplanned, "prepare", item(), now)).toBe(true);
  const applied = desk("say", null, { applied_at: at(-10) });
  expect(maySay(applied, "prepare", item(), now)).toBe(false);
  expect(maySay(applied, "watch", item({ not_before: at(290) }), now)).toBe(false);
  expect(maySay(applied, "watch", item({ not_before: at(290) }), now + 291_000)).toBe(true);
  const said = { item: "x", name: "ops", note: null, at: at(-5), plan_id: null };
  expect(maySay(open, "prepare", item({ said }), now)).toBe(false);
  expect(mayUnsay(open, "prepare", item({ said }))).toBe(true);
  expect(mayUnsay(applied, "prepare", item({ said }))).toBe(false);
});

test("a time to come is counted down, and the earliest one is waited for", () => {
  expect(secondsUntil(item({ not_before: at(271) }), now)).toBe(271);
  expect(secondsUntil(item({ not_before: at(-1) }), now)).toBeNull();
  expect(countdown(271)).toBe("4:31");
  expect(countdown(86_340)).toBe("23 h 59 min");
  const items = [item({ not_before: at(1800) }), item({ not_before: at(300) }), item({ not_before: at(-300) })];
  expect(nextMoment(desk("say", null, { stages: [stage("watch", "waiting", items)] }), now)).toBe(now + 300_000);
  expect(nextMoment(desk("say"), now)).toBeNull();
});

test("the watch counts from the end of the apply", () => {
  expect(watchMarks(null, now).map(({ state }) => state)).toEqual(["later", "later", "later"]);
  const marks = watchMarks(at(-600), now);
  expect(marks.map(({ state }) => state)).toEqual(["over", "counting", "counting"]);
  expect(marks[1]?.note).toBe("in 20:00");
  expect(marks[2]?.note).toBe("in 23 h 50 min");
});

test("unknown locks as block does; so does a gate that only a reason opens", () => {
  const gate = (outcome: Gate["outcome"], can_override = false): Gate => ({
    kind: "locks",
    title: "",
    outcome,
    evidence: "",
    can_override,
  });
  expect(gatesWords([gate("pass"), gate("block"), gate("unknown")])).toEqual({
    closed: true,
    words: "Apply is locked by 2 of 3 gates",
  });
  expect(gatesWords([gate("pass"), gate("unknown", true)])).toEqual({
    closed: true,
    words: "Apply is locked by 1 of 2 gates",
  });
  expect(gatesWords([gate("pass"), gate("warn")]).closed).toBe(false);
  expect(gatesWords([gate("pass")]).words).toBe("The only gate passes");
});

test("evidence leads to its panel", () => {
  expect(placeOf({ kind: "backup", id: "b-1" }, "eu")).toEqual({ screen: "backup", environment: "eu", backup: "b-1" });
  expect(placeOf({ kind: "drift" }, "eu")).toEqual({ screen: "drift", environment: "eu" });
});
