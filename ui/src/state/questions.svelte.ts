import { api } from "../lib/api";
import type { SshQuestion } from "../lib/bindings";

/** Questions of SSH hosts that wait for a person, the oldest first. */
export class Questions {
  #open = $state.raw<SshQuestion[]>([]);

  get first(): SshQuestion | null {
    return this.#open[0] ?? null;
  }

  /** Takes questions from now on. */
  start() {
    return api.sshQuestions((event) => {
      if (event.kind === "asked") this.#open = [...this.#open, event.question];
      else this.#forget(event.id);
    });
  }

  async answer(id: string, text: string | null) {
    this.#forget(id);
    await api.answerQuestion(id, text);
  }

  #forget(id: string) {
    this.#open = this.#open.filter((question) => question.id !== id);
  }
}
