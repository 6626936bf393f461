import { api } from "../lib/api";
import type { Blocker, Run, RunEvent, RunStatus, RunStep } from "../lib/bindings";
import { troubleOf, type Trouble } from "../lib/failures";

export type Waiting = { index: number; blockers: Blocker[]; attempt: number; attempts: number };
export type Line = { at: string; text: string };
/** Rows of a seed or an undo that were sent so far. */
export type Rows = { index: number; table: string; done: number; total: number; allDone: number; all: number };
/** Bytes and tables of a backup that were stored, restored or compared so far. */
export type Moved = Extract<RunEvent["what"], { kind: "moved" }>;
export type Progress = { index: number; done: number; total: number; statement: number | null; statements: number };

/** A run as its events tell it: replayed from the beginning, then live. */
export class RunWatch {
  readonly #id: string;
  #run = $state.raw<Run | null>(null);
  #steps = $state.raw<RunStep[]>([]);
  #waiting = $state.raw<Waiting | null>(null);
  #progress = $state.raw<Progress | null>(null);
  #rows = $state.raw<Rows | null>(null);
  #moved = $state.raw<Moved | null>(null);
  #lines = $state.raw<Line[]>([]);
  #status = $state<RunStatus>("queued");
  #trouble = $state.raw<Trouble | null>(null);
  #seen = 0;

  constructor(id: string) {
    this.#id = id;
  }

  get run() {
    return this.#run;
  }

  get steps() {
    return this.#steps;
  }

  get waiting() {
    return this.#waiting;
  }

  get progress() {
    return this.#progress;
  }

  get rows() {
    return this.#rows;
  }

  get moved() {
    return this.#moved;
  }

  get lines() {
    return this.#lines;
  }

  get status() {
    return this.#status;
  }

  get trouble() {
    return this.#trouble;
  }

  get live() {
    return isLive(this.#status);
  }

  /** Follows the run to its end, then reads what it left behind. */
  async follow(): Promise<void> {
    this.#trouble = null;
    try {
      this.#take(await api.run(this.#id));
      this.#seen = 0;
      this.#lines = [];
      await api.watchRun(this.#id, (event) => this.#hear(event));
      this.#take(await api.run(this.#id));
    } catch (thrown) {
      this.#trouble = troubleOf(thrown);
    }
  }

  #take(run: Run) {
    this.#run = run;
    this.#steps = run.steps;
    this.#status = run.status;
  }

  #hear(event: RunEvent) {
    if (event.sequence <= this.#seen) return;
    this.#seen = event.sequence;
    const what = event.what;
    const replayed = this.#run !== null && !isLive(this.#run.status);
    switch (what.kind) {
      case "status":
        if (!replayed) this.#status = what.status;
        break;
      case "step":
        if (!replayed) this.#steps = this.#steps.map((step) => (step.index === what.step.index ? what.step : step));
        if (what.step.status !== "waiting" && this.#waiting?.index === what.step.index) this.#waiting = null;
        if (!["queued", "started", "waiting"].includes(what.step.status)) this.#say(event.at, stepLine(what.step));
        break;
      case "progress":
        this.#progress = {
          index: what.index,
          done: what.migrations_done,
          total: what.migrations_total,
          statement: what.statement,
          statements: what.statements_total,
        };
        break;
      case "rows":
        this.#rows = { ...what, allDone: what.all_done };
        break;
      case "moved":
        this.#moved = what;
        break;
      case "waiting":
        this.#waiting = what;
        this.#say(event.at, `Try ${what.attempt} of ${what.attempts} waits for a lock; nothing is written`);
        break;
      case "note":
        this.#say(event.at, what.text);
        break;
      case "finding":
        this.#say(event.at, what.finding.title);
        break;
      case "failed":
        this.#say(event.at, what.failure.what);
        break;
    }
  }

  #say(at: string, text: string) {
    this.#lines = [...this.#lines.slice(-199), { at, text }];
  }
}

/** An ended run is replayed for its record only: what it became is known. */
function isLive(status: RunStatus): boolean {
  return status === "running" || status === "queued";
}

function stepLine(step: RunStep): string {
  const subject =
    `${step.verb} ${step.verb === "Migrate" || step.verb === "Repair" ? `\`${step.title.replace(/^\d{8,14}_/, "")}\`` : ""}`.trim();
  const words = {
    started: "begins",
    done: "done",
    failed: "failed",
    taken_back: "taken back",
    not_run: "not run",
    queued: "queued",
    waiting: "waits",
  };
  return `${subject}: ${words[step.status]}${step.note === null ? "" : `, ${step.note}`}`;
}
