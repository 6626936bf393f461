import type { IconName } from "./icons";

/** A button of the next-step bar. */
export type Press = {
  words: string;
  press: () => unknown;
  icon?: IconName;
  /** What it is doing now, in words: the button is busy. */
  busy?: string | false;
  /** Why it cannot be pressed now. */
  locked?: string | false;
  danger?: boolean;
  testid?: string;
};

/** The next step: what it is, what it does and does not do, one primary button. */
export type Next = { label?: "Next" | "Now"; title: string; detail: string; primary: Press; others?: Press[] };
