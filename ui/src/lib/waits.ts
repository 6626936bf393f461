import type { Waits } from "./bindings";

export const waitsWords: Record<Waits, string> = {
  nobody: "nobody",
  writers: "writers",
  readers_and_writers: "readers and writers",
};
