/** Where runs of the fake shell happen: what it lends to those who put on a run of their own. */
import type { Plan, Run, RunEventKind, RunStep } from "./bindings";
import type { World } from "./fakeWorld";

export type FakeStage = {
  /** A run at work, with the plan's steps queued. */
  begin: (world: World, plan: Plan, kind: Run["kind"], title: string) => Run;
  emit: (run: Run, what: RunEventKind) => void;
  step: (run: Run, index: number, change: Partial<RunStep>) => void;
  end: (run: Run, status: Run["status"], aftermath: string[]) => void;
  isCancelled: (run: Run) => boolean;
};
