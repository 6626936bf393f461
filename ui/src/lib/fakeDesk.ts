/**
 * The fake shell's release desk and freezes, computed from the same made-up worlds as its other screens. `?scenario=`
 * desk (production is ready for a release), desk-frozen, desk-unknown (the target cannot be read), desk-blocked (the
 * backup is older than the plan, and its extent is not known). In no production bundle.
 */
import type {
  commands as shell,
  Desk,
  DeskItem,
  DeskLink,
  DeskStage,
  DeskState,
  Failure,
  FailureCode,
  Freeze,
  Freezes,
  Gate,
  PersonTick,
  PlanReview,
  Release,
  Result,
  Run,
  Stage,
} from "./bindings";
import { keptOf } from "./fakeBackups";
import { readAt } from "./fakeChecks";
import { nextOf, step } from "./fakeDeskNext";
import { ago, type World } from "./fakeWorld";
import { count, timeOfDay } from "./format";

/** What the fake shell lends to them. */
type Shell = {
  scenario: string;
  worldOf: (id: string | null) => World;
  obstacle: (world: World, name: string) => Promise<Result<never, Failure> | null>;
  review: (planId: string) => PlanReview | undefined;
  plan: (world: World) => PlanReview;
  /** Makes a plan tried, without a run. */
  tried: (planId: string) => void;
  apply: typeof shell.planApply;
};

type Names =
  | "deskRead"
  | "deskBegin"
  | "deskPlan"
  | "deskSay"
  | "deskUnsay"
  | "deskApply"
  | "deskEnd"
  | "freezesRead"
  | "freezeSet"
  | "freezeLift";

type Kept = { release: Release | null; earlier: Release[]; compared: string | null; applied: string | null };
type Found = Pick<DeskItem, "state" | "text"> & Partial<DeskItem>;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const OPERATOR = "Ines Okafor";

const ok = <T>(data: T): Result<T, Failure> => ({ status: "ok", data });
const fail = (
  code: FailureCode,
  what: string,
  why: string | null = null,
  unchanged: string | null = null,
  next: string | null = null,
): Result<never, Failure> => ({ status: "error", error: { code, what, why, unchanged, next } });

const titles: Record<Stage, string> = {
  prepare: "Prepare",
  plan: "Plan",
  dry_run: "Dry run",
  back_up: "Back up",
  apply: "Apply",
  verify: "Verify",
  watch: "Watch",
};
const order = Object.keys(titles) as Stage[];
const isTicked = (state: DeskState) => state === "pass" || state === "warn";
const isBefore = (stage: Stage) => order.indexOf(stage) < order.indexOf("apply");

function earlierOf(id: string): Release[] {
  if (id !== "production") return [];
  const release = (number: number, more: Partial<Release>): Release => ({
    id: `release-${number}`,
    number,
    environment_id: id,
    kind: "migrations",
    begun_at: ago(9 * DAY),
    begun_by: OPERATOR,
    ended_at: ago(8 * DAY),
    put_away: null,
    plan_id: `plan-${number}`,
    said: [],
    sealed: null,
    ...more,
  });
  return [
    release(11, {
      begun_at: ago(2 * DAY + 3 * HOUR),
      ended_at: ago(2 * DAY),
      put_away: "The window was over at 06:00.",
    }),
    release(10, { kind: "seed" }),
    release(9, { begun_at: ago(30 * DAY), ended_at: ago(29 * DAY) }),
  ];
}

/** Production as it is before a release: migrations wait, nothing is broken. */
export function ready(worlds: World[]) {
  const [production] = worlds;
  const staging = worlds.find((world) => world.environment.id === "staging");
  if (production === undefined || staging === undefined) return;
  production.migrations = staging.migrations.map((migration) => ({ ...migration }));
  production.drifted = false;
  production.runs = production.runs.filter((run) => run.status === "succeeded");
}

export function fakeDesk({ scenario, worldOf, obstacle, review, plan, tried, apply }: Shell) {
  const desks = new Map<string, Kept>();
  let freezes: Freezes = { everywhere: null, environments: [] };
  let number = 11;
  if (scenario === "desk-frozen") {
    const freeze = {
      everywhere: false,
      by: "Mara Lind",
      why: "The provider works on the disks until 06:00",
      at: ago(2400),
    };
    freezes = { everywhere: null, environments: [{ environment_id: "production", freeze }] };
  }

  const frozenOf = (id: string): Freeze | null =>
    freezes.everywhere ?? freezes.environments.find((one) => one.environment_id === id)?.freeze ?? null;

  function kept(world: World): Kept {
    const { id } = world.environment;
    const found = desks.get(id) ?? { release: null, earlier: earlierOf(id), compared: null, applied: null };
    if (!desks.has(id)) {
      desks.set(id, found);
      if (id === "production" && (scenario === "desk-blocked" || scenario === "desk-unknown")) halfway(world, found);
    }
    return found;
  }

  function begin(world: World, planId: string | null): Release {
    number += 1;
    return {
      id: `release-${number}`,
      number,
      environment_id: world.environment.id,
      kind: planId !== null && review(planId)?.plan.purpose.kind === "seed" ? "seed" : "migrations",
      begun_at: ago(0),
      begun_by: OPERATOR,
      ended_at: null,
      put_away: null,
      plan_id: planId,
      said: [],
      sealed: null,
    };
  }

  function halfway(world: World, desk: Kept) {
    desk.compared = ago(3 * MINUTE);
    desk.release = begin(world, null);
    const said = (item: string, note: string | null = null) => tick(desk, item, OPERATOR, note);
    said("pre-deploy/team-told", "Support is on duty until 18:00");
    said("pre-deploy/code-ready");
    const { id } = plan(world).plan;
    desk.release.plan_id = id;
    tried(id);
    said("deploy/reviewed");
  }

  function tick(desk: Kept, item: string, name: string, note: string | null) {
    const said: PersonTick = { item, name, note, at: ago(0), plan_id: desk.release?.plan_id ?? null };
    desk.release?.said.push(said);
  }

  const atWork = (world: World, kinds: Run["kind"][]): Run | null =>
    world.runs.find((run) => run.status === "running" && kinds.includes(run.kind)) ?? null;

  const appliedRun = (world: World, desk: Kept): Run | null =>
    world.runs.find((run) => run.id === desk.applied && run.status === "succeeded") ?? null;

  /** The newest full backup, and what it is worth for a plan. */
  function cover(world: World, made: PlanReview): { newer: Found; covers: Found; proven: Found; id: string | null } {
    const newest = keptOf(world, scenario)
      .backups.filter(
        ({ view }) => view.kind === "deep" && view.state === "complete" && view.environment_id === world.environment.id,
      )
      .sort((one, other) => Date.parse(other.view.taken_at) - Date.parse(one.view.taken_at))[0];
    const waits: Found = { state: "waiting", text: "Looked at once there is a newer backup." };
    if (newest === undefined)
      return {
        newer: { state: "block", text: "There is no full backup yet.", link: { kind: "backups" } },
        covers: waits,
        proven: { state: "waiting", text: "Starts by itself after the backup." },
        id: null,
      };
    const { view } = newest;
    const link: DeskLink = { kind: "backup", id: view.id };
    if (Date.parse(view.taken_at) < Date.parse(made.plan.created_at))
      return {
        newer: {
          state: "block",
          text: `Un-ticked itself at ${timeOfDay(made.plan.created_at, false)}, when plan ${made.plan.number} was made. The last backup is from ${timeOfDay(view.taken_at, false)}.`,
          at: view.taken_at,
          link,
        },
        covers:
          scenario === "desk-blocked"
            ? {
                state: "unknown",
                text: "Cannot tell: no right to read `projects`.",
                at: ago(0),
                link: { kind: "doctor" },
              }
            : waits,
        proven: { state: "waiting", text: "Starts by itself after the backup." },
        id: null,
      };
    return {
      newer: {
        state: "pass",
        text: `Taken at ${timeOfDay(view.taken_at, false)}, after the plan.`,
        at: view.taken_at,
        link,
      },
      covers: { state: "pass", text: "It holds all 4 tables the plan touches.", at: view.taken_at, link },
      proven:
        view.proof === "proven"
          ? { state: "pass", text: "Restored and equal in every row.", at: view.proof_at, link }
          : view.proof === "proving"
            ? { state: "running", text: "It is restored and compared.", link }
            : { state: "unknown", text: "Not proven yet.", link },
      id: view.id,
    };
  }

  /** The review with the gates as they stand now. */
  function fresh(made: PlanReview): PlanReview {
    const frozen = frozenOf(made.plan.environment_id ?? "");
    const gates: Gate[] = made.gates.map((gate) => {
      if (gate.kind !== "restore_point" || !scenario.startsWith("desk")) return gate;
      const { newer, proven } = cover(worldOf(made.plan.environment_id ?? ""), made);
      const outcome = newer.state === "block" ? "block" : proven.state === "pass" ? "pass" : "unknown";
      return {
        ...gate,
        outcome,
        evidence:
          outcome === "pass"
            ? "proven, newer than the plan"
            : newer.state === "block"
              ? "older than the plan"
              : "not proven",
      };
    });
    if (frozen !== null)
      gates.unshift({
        kind: "freeze",
        title: "Writes are open",
        outcome: "block",
        evidence: `frozen${frozen.everywhere ? " on all environments" : ""} by ${frozen.by}: ${frozen.why}`,
        can_override: false,
      });
    return { ...made, gates };
  }

  const blank: Omit<DeskItem, "id" | "title" | "state" | "text" | "checklist"> = {
    at: null,
    link: null,
    by_person: false,
    said: null,
    not_before: null,
  };

  function items(world: World, desk: Kept, release: Release, stage: Stage, ticked: boolean): DeskItem[] {
    const now = ago(0);
    const made = release.plan_id === null ? undefined : review(release.plan_id);
    const planned = made === undefined ? undefined : fresh(made);
    const run = appliedRun(world, desk);
    const done = run?.ended_at ?? null;
    const after = stage === "verify" || stage === "watch";
    const item = (list: string, id: string, title: string, found: Found): DeskItem => {
      const evidence = after && done === null ? { state: "waiting" as const, text: "Read after the apply." } : found;
      return { ...blank, id: `${list}/${id}`, title, checklist: list, ...evidence };
    };
    const person = (list: string, id: string, title: string, todo: string, minutes = 0): DeskItem => {
      const key = `${list}/${id}`;
      const said =
        release.said.findLast((one) => one.item === key && (stage === "prepare" || one.plan_id === release.plan_id)) ??
        null;
      const from =
        done === null || minutes === 0 ? null : new Date(Date.parse(done) + minutes * MINUTE * 1000).toISOString();
      const early =
        after && done === null
          ? "After the apply. "
          : from !== null && Date.parse(from) > Date.now()
            ? "Its time has not come. "
            : stage !== "prepare" && !after && planned === undefined
              ? "Once there is a plan. "
              : "";
      return {
        ...blank,
        id: key,
        title,
        checklist: list,
        by_person: true,
        text: `${early}${todo}`,
        state: said === null ? "waiting" : "pass",
        said,
        at: said?.at ?? null,
        not_before: from,
      };
    };
    const gate = (kind: Gate["kind"], link: DeskLink): Found => {
      const found = planned?.gates.find((one) => one.kind === kind);
      return found === undefined
        ? { state: "waiting", text: "Once there is a plan." }
        : {
            state: found.outcome,
            text: `${found.evidence.charAt(0).toUpperCase()}${found.evidence.slice(1)}.`,
            at: now,
            link,
          };
    };
    const planLink: DeskLink = { kind: "plan", id: release.plan_id ?? "" };
    const unread: Found = {
      state: "unknown",
      text: "The connection was lost while the catalogue was read.",
      link: { kind: "doctor" },
    };
    const seen = (found: Found): Found => (scenario === "desk-unknown" ? unread : found);
    const drift = (since: string | null): Found => {
      const link: DeskLink = { kind: "drift" };
      if (desk.compared === null)
        return { state: "unknown", text: "The live schema was never compared with the migrations.", link };
      if (since !== null && Date.parse(desk.compared) < Date.parse(since))
        return { state: "unknown", text: "Not compared since the apply.", at: desk.compared, link };
      return world.drifted
        ? { state: "block", text: "The app expects 6 tables that the database does not have.", at: desk.compared, link }
        : { state: "pass", text: "The live schema is what its migrations make.", at: desk.compared, link };
    };
    const sessions = seen({ state: "pass", text: "Nobody waits, nothing is open for long.", at: now });
    const trying = atWork(world, ["dry_run"]);
    const applying = atWork(world, ["apply"]);
    const storing = atWork(world, ["back_up", "prove"]);
    const failed = world.migrations.find((migration) => migration.state === "failed");
    const frozen = frozenOf(world.environment.id);
    const seed = release.kind === "seed";
    const isRun = (one: Run): DeskLink => ({ kind: "run", id: one.id });
    switch (stage) {
      case "prepare":
        return [
          item(
            "pre-deploy",
            "connection",
            "The database answers, and it is the one it was",
            seen({ state: "pass", text: "Answers in 41 ms, id 7391…c20f.", at: now, link: { kind: "doctor" } }),
          ),
          item(
            "pre-deploy",
            "writes-open",
            "Writes are not frozen",
            frozen === null
              ? { state: "pass", text: "Drydock may write here.", at: now }
              : {
                  state: "block",
                  text: `Writes are frozen${frozen.everywhere ? " on all environments" : ""} by ${frozen.by}: ${frozen.why}`,
                  at: frozen.at,
                },
          ),
          ...(seed
            ? []
            : [
                item(
                  "pre-deploy",
                  "files-and-ledger",
                  "Migration files and ledger agree",
                  failed === undefined
                    ? seen({
                        state: "pass",
                        text: `${count(world.migrations.filter(({ state }) => state === "pending").length, "migration")} wait, the others agree.`,
                        at: now,
                        link: { kind: "migrations" },
                      })
                    : {
                        state: "block",
                        text: `\`${failed.name}\` is failed in the ledger.`,
                        at: now,
                        link: { kind: "migrations" },
                      },
                ),
                item("pre-deploy", "drift", "The live schema is what the applied migrations make", drift(null)),
              ]),
          item("pre-deploy", "sessions", "Nobody waits for a lock, no transaction is open for long", sessions),
          person(
            "pre-deploy",
            "team-told",
            "The team knows of the deploy and its window",
            "Tell support and everybody who deploys, then say so here.",
          ),
          person(
            "pre-deploy",
            "code-ready",
            "The code that goes with the migrations is committed and ready",
            "Ask the developer, or look at the release branch.",
          ),
        ];
      case "plan":
        return [
          item("deploy", "plan-fits", "A plan is made and fits what is there", gate("fingerprint", planLink)),
          item("deploy", "findings", "Nothing the plan does is forbidden", gate("findings", planLink)),
          person(
            "deploy",
            "reviewed",
            "Somebody has read the plan",
            "Open the plan and read each statement and finding. A new plan asks again.",
          ),
        ].map((one) => (one.by_person && planned !== undefined ? { ...one, link: planLink } : one));
      case "dry_run": {
        const work: Found | null =
          trying === null
            ? null
            : { state: "running", text: `Run ${trying.number} tries it now.`, link: isRun(trying) };
        const untried = planned?.dry_run === null ? { state: "waiting" as const, text: "Not tried yet." } : null;
        return [
          item("deploy", "dry-run", "It was tried and taken back", work ?? untried ?? gate("dry_run", planLink)),
          item("deploy", "locks", "It holds no lock longer than allowed", untried ?? gate("locks", planLink)),
        ];
      }
      case "back_up": {
        const waits: Found = { state: "waiting", text: "Once there is a plan." };
        const found = planned === undefined ? { newer: waits, covers: waits, proven: waits } : cover(world, planned);
        const taking: Found | null =
          storing === null
            ? null
            : { state: "running", text: `Run ${storing.number}: ${storing.title}.`, link: isRun(storing) };
        return [
          item(
            "deploy",
            "backup-newer",
            "A backup newer than the plan",
            found.newer.state === "pass" ? found.newer : (taking ?? found.newer),
          ),
          item("deploy", "backup-covers", "It holds every table the plan touches", found.covers),
          item(
            "deploy",
            "backup-proven",
            "Restored on a scratch copy and compared",
            found.newer.state === "pass" && taking !== null ? taking : found.proven,
          ),
        ];
      }
      case "apply":
        return [
          item(
            "deploy",
            "applied",
            "The plan is applied",
            run !== null
              ? { state: "pass", text: `Run ${run.number} applied it.`, at: done, link: isRun(run) }
              : applying !== null
                ? { state: "running", text: `Run ${applying.number} applies it now.`, link: isRun(applying) }
                : ticked
                  ? { state: "waiting", text: "It can be applied." }
                  : { state: "locked", text: "Earlier stages are not through." },
          ),
        ];
      case "verify": {
        const checked = readAt(world.environment.id);
        const isNew = checked !== null && done !== null && Date.parse(checked) >= Date.parse(done);
        return [
          ...(seed
            ? []
            : [
                item("post-deploy", "ledger-after", "The ledger has every migration of the plan", {
                  state: "pass",
                  text: "Every one is in.",
                  at: now,
                  link: { kind: "migrations" },
                }),
                item("post-deploy", "drift-after", "The live schema is what the migrations make", drift(done)),
              ]),
          item(
            "post-deploy",
            "checks-after",
            "All checks hold",
            isNew
              ? { state: "pass", text: "All 13 checks hold.", at: checked, link: { kind: "verification" } }
              : { state: "unknown", text: "Not read since the apply.", at: checked, link: { kind: "verification" } },
          ),
          person(
            "post-deploy",
            "app-restarted",
            "The app runs the code that goes with the schema",
            "Deploy or restart it. Drydock cannot restart apps yet.",
          ),
        ];
      }
      case "watch":
        return [
          item("post-deploy", "sessions", "Nobody waits for a lock, no transaction is open for long", sessions),
          person(
            "post-deploy",
            "logs-5",
            "5 minutes: no new errors in the app's logs",
            "Look where the app writes its logs. Drydock cannot read them yet.",
            5,
          ),
          person(
            "post-deploy",
            "logs-30",
            "30 minutes: no new errors, answers as fast as before",
            "Look at the logs and at how long answers take.",
            30,
          ),
          person("post-deploy", "team-told", "The team knows how it went", "Tell everybody who was told before."),
        ];
    }
  }

  function stagesOf(world: World, desk: Kept, release: Release): DeskStage[] {
    const stages: DeskStage[] = [];
    for (const stage of order) {
      const sealed =
        isBefore(stage) && desk.applied !== null
          ? release.sealed?.stages.find((one) => one.stage === stage)
          : undefined;
      if (sealed !== undefined) {
        stages.push(sealed);
        continue;
      }
      const found = items(
        world,
        desk,
        release,
        stage,
        stages.every((one) => isTicked(one.state)),
      );
      const worst = (["running", "block", "unknown", "locked", "waiting", "warn"] as const).find((state) =>
        found.some((one) => one.state === state),
      );
      const deciding =
        found.find((one) => one.state === worst && !isTicked(one.state)) ??
        found.findLast((one) => !one.by_person) ??
        found.at(-1);
      stages.push({
        stage,
        title: titles[stage],
        state: worst ?? "pass",
        ticked: found.filter((one) => isTicked(one.state)).length,
        text: deciding === undefined ? "" : deciding.by_person ? deciding.title : deciding.text.replace(/\.$/, ""),
        at: found.flatMap((one) => (one.at === null ? [] : [one.at])).sort()[0] ?? null,
        items: found,
      });
    }
    return stages;
  }

  function deskOf(world: World): Desk {
    const desk = kept(world);
    const { release } = desk;
    const around = {
      frozen: frozenOf(world.environment.id),
      own_checklists: "/home/ops/.local/share/drydock/checklists",
      operator: OPERATOR,
      earlier: desk.earlier,
      read_at: ago(0),
    };
    if (release === null) {
      const waiting = world.migrations.filter(({ state }) => state === "pending" || state === "rolled_back").length;
      return {
        ...around,
        headline:
          waiting > 0
            ? `${count(waiting, "migration")} ${waiting === 1 ? "waits" : "wait"} for ${world.environment.name}. No release is on the desk.`
            : "No release is on the desk, and no migration waits.",
        lead: `${waiting > 0 ? "The desk leads from the first check to the watch after the apply. " : ""}A seed comes here from its plan.`,
        release,
        plan_number: null,
        stages: [],
        current: null,
        gates: [],
        applied_at: null,
        next:
          waiting > 0
            ? step(
                "begin",
                "Begin a release of the pending migrations.",
                "Nothing is written by that. You can put it away at any time.",
                "Begin the release",
              )
            : step("nothing", "Nothing has to be done.", "Reads only.", "Read again"),
      };
    }
    const stages = stagesOf(world, desk, release);
    const planned = release.plan_id === null ? undefined : review(release.plan_id);
    const done = appliedRun(world, desk)?.ended_at ?? null;
    const applying = atWork(world, ["apply"]) !== null;
    const current =
      stages.find((stage) => !isTicked(stage.state) && (isBefore(stage.stage) ? done === null && !applying : true)) ??
      null;
    const about = {
      name: world.environment.name,
      planned: planned?.plan.number ?? null,
      stored: planned === undefined ? null : cover(world, planned).id,
    };
    const [headline, next] = nextOf(about, current);
    const all = stages.reduce((sum, stage) => sum + stage.items.length, 0);
    const ticked = stages.reduce((sum, stage) => sum + stage.ticked, 0);
    const migrations = planned?.plan.steps.filter(({ kind }) => kind === "migrate").length ?? 0;
    const subject =
      planned === undefined
        ? "the pending migrations, not planned yet"
        : `${planned.plan.purpose.kind === "seed" ? `the seed ${planned.plan.purpose.title}` : count(migrations, "migration")}, plan ${planned.plan.number}`;
    return {
      ...around,
      headline,
      lead: `Release ${release.number}: ${subject}. ${ticked} of ${all} items are ticked; each ticks and un-ticks itself from evidence.`,
      release: structuredClone(release),
      plan_number: planned?.plan.number ?? null,
      stages: structuredClone(stages),
      current: current?.stage ?? null,
      gates: planned === undefined || done !== null ? [] : fresh(planned).gates,
      applied_at: done,
      next,
    };
  }

  const nothing = () =>
    fail(
      "DRY-1232",
      "There is no release on the desk.",
      null,
      "Nothing was changed.",
      "Begin one on the release desk.",
    );

  function close(desk: Kept, release: Release, reason: string | null) {
    desk.earlier = [{ ...release, ended_at: ago(0), put_away: reason }, ...desk.earlier];
    desk.release = null;
    desk.applied = null;
  }

  const commands: Pick<typeof shell, Names> = {
    async deskRead(id) {
      const world = worldOf(id);
      return (await obstacle(world, "desk")) ?? ok(deskOf(world));
    },
    async deskBegin(id, planId) {
      const world = worldOf(id);
      const desk = kept(world);
      if (desk.release !== null)
        return fail(
          "DRY-1232",
          "A release is on the desk already.",
          `It is release ${desk.release.number}.`,
          "No release was begun.",
          "End it, or put it away.",
        );
      desk.release = begin(world, planId);
      return ok(deskOf(world));
    },
    async deskPlan(id) {
      const world = worldOf(id);
      const { release } = kept(world);
      if (release === null) return nothing();
      release.plan_id = plan(world).plan.id;
      return ok(deskOf(world));
    },
    async deskSay(id, { item, name, note, release_id, plan_id }) {
      const world = worldOf(id);
      const { release } = kept(world);
      if (release === null) return nothing();
      if (name.trim() === "")
        return fail(
          "DRY-1802",
          "Somebody has to stand for it by name.",
          null,
          "The item is as it was.",
          "Type your name.",
        );
      if (release.id !== release_id || release.plan_id !== plan_id)
        return fail(
          "DRY-1232",
          "This was said of another plan.",
          "The release on the desk, or its plan, is not the one that was on the screen.",
          "The item is as it was.",
          "Read the desk again, and look at its plan before you say so.",
        );
      tick(kept(world), item, name, note);
      return ok(deskOf(world));
    },
    async deskUnsay(id, item) {
      const world = worldOf(id);
      const { release } = kept(world);
      if (release === null) return nothing();
      release.said = release.said.filter((said) => said.item !== item);
      return ok(deskOf(world));
    },
    async deskApply(id, confirmation) {
      const world = worldOf(id);
      const desk = kept(world);
      const { release } = desk;
      if (release === null || release.plan_id === null) return nothing();
      const stages = stagesOf(world, desk, release).filter((stage) => isBefore(stage.stage));
      const reasoned = confirmation.override_reason !== null;
      const closed = stages.find((stage) => !isTicked(stage.state) && !(reasoned && stage.stage === "back_up"));
      if (closed !== undefined)
        return fail(
          "DRY-1232",
          `The stage "${closed.title}" is not through.`,
          closed.text,
          "Nothing was written.",
          "Settle it on the release desk.",
        );
      const started = await apply(release.plan_id, confirmation);
      if (started.status === "error") return started;
      release.sealed = { at: ago(0), plan_id: release.plan_id, run_id: started.data, stages };
      desk.applied = started.data;
      return started;
    },
    async deskEnd(id, putAway) {
      const world = worldOf(id);
      const desk = kept(world);
      if (desk.release === null) return nothing();
      if (putAway === null && deskOf(world).next.action !== "end")
        return fail(
          "DRY-1232",
          "The release is not through.",
          null,
          "It is still on the desk.",
          "Settle what is open, or put the release away with a reason.",
        );
      close(desk, desk.release, putAway);
      return ok(deskOf(world));
    },
    freezesRead: async () => ok(freezes),
    async freezeSet(id, why) {
      const freeze = { everywhere: id === null, by: OPERATOR, why, at: ago(0) };
      freezes =
        id === null
          ? { ...freezes, everywhere: freeze }
          : {
              ...freezes,
              environments: [
                ...freezes.environments.filter((one) => one.environment_id !== id),
                { environment_id: id, freeze },
              ],
            };
      return ok(freezes);
    },
    async freezeLift(id, typedName) {
      if (id !== null && worldOf(id).environment.rules.typed_confirmation && typedName !== worldOf(id).environment.name)
        return fail(
          "DRY-1205",
          "The typed name does not match.",
          null,
          "Writes are still frozen.",
          "Type the environment's name.",
        );
      freezes =
        id === null
          ? { ...freezes, everywhere: null }
          : { ...freezes, environments: freezes.environments.filter((one) => one.environment_id !== id) };
      return ok(freezes);
    },
  };

  return {
    commands,
    fresh,
    /** The live schema was compared just now. */
    compared: (world: World) => (kept(world).compared = ago(0)),
    /** Refuses what would write while writes are frozen. */
    refuses: (id: string) => {
      const freeze = frozenOf(id);
      return freeze === null
        ? null
        : fail(
            "DRY-1231",
            `Writes on ${freeze.everywhere ? "all environments" : worldOf(id).environment.name} are frozen.`,
            `${freeze.by} froze them: ${freeze.why}`,
            "Nothing was written.",
            "Lift the freeze, if its reason is gone.",
          );
    },
  };
}
