import { api } from "../lib/api";
import type { LineStatus } from "../lib/bindings";

/** Milliseconds between two looks at a line; a lost one is seen within that time. */
const LOOK_EVERY = 2000;

/** How the lines to SSH hosts stand, as far as anybody looks. */
export class Lines {
  #known = $state.raw<Record<string, LineStatus | null>>({});

  /** Null: reached directly, or the engine does not say; undefined: not asked yet. */
  of(environment: string): LineStatus | null | undefined {
    return this.#known[environment];
  }

  /** Looks again and again while the window can be seen, until the answer is called. */
  follow(environment: string): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let round = 0;
    const look = async () => {
      clearTimeout(timer);
      const mine = ++round;
      if (document.visibilityState === "visible") {
        const status = await api.lineStatus(environment).catch(() => null);
        if (mine !== round) return;
        this.#known = { ...this.#known, [environment]: status };
      }
      timer = setTimeout(() => void look(), LOOK_EVERY);
    };
    const seen = () => void look();
    document.addEventListener("visibilitychange", seen);
    void look();
    return () => {
      round += 1;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }
}
