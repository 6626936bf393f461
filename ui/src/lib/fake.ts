import type { commands as real } from "./bindings"; export const commands = {} as typeof real;
