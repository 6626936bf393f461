const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** `1 migration`, `4 migrations`. */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${whole(amount)} ${amount === 1 ? one : many}`;
}

/** `18,412,907`. */
export function whole(amount: number): string {
  return Math.round(amount).toLocaleString("en-GB");
}

/** An estimate in few characters: `about 18.4 million`. */
export function estimate(amount: number): string {
  if (amount >= 1e9) return `about ${(amount / 1e9).toFixed(1)} billion`;
  if (amount >= 1e6) return `about ${(amount / 1e6).toFixed(1)} million`;
  if (amount >= 1e4) return `about ${whole(amount / 1e3)} thousand`;
  return `about ${whole(amount)}`;
}

/** `4.1 MB`, decimal as in file managers. */
export function bytes(amount: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = amount;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? whole(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A time span: `24 ms`, `0.24 s`, `31 s`, `4 min 10 s`, `2 h 5 min`. */
export function span(seconds: number): string {
  if (seconds < 0.1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 2 : 1).replace(/\.0$/, "")} s`;
  if (seconds < MINUTE) return `${Math.round(seconds)} s`;
  if (seconds < HOUR) {
    const rest = Math.round(seconds % MINUTE);
    return rest === 0 ? `${Math.floor(seconds / MINUTE)} min` : `${Math.floor(seconds / MINUTE)} min ${rest} s`;
  }
  const minutes = Math.floor((seconds % HOUR) / MINUTE);
  return minutes === 0 ? `${Math.floor(seconds / HOUR)} h` : `${Math.floor(seconds / HOUR)} h ${minutes} min`;
}

export function milliseconds(amount: number): string {
  return amount < 10 ? `${amount.toFixed(1)} ms` : amount < 1000 ? `${Math.round(amount)} ms` : span(amount / 1000);
}

/** How long ago: `now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 days ago`. */
export function ago(then: string, now: number): string {
  const seconds = Math.floor((now - Date.parse(then)) / 1000);
  if (!Number.isFinite(seconds)) return "at an unknown time";
  if (seconds < 2) return "now";
  if (seconds < MINUTE) return `${seconds} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return `${Math.floor(seconds / DAY)} days ago`;
}

/** The same inside a sentence: `This is from a moment ago`. */
export function agoWords(then: string, now: number): string {
  const words = ago(then, now);
  return words === "now" ? "a moment ago" : words;
}

/** A running clock: `0:31`, `12:05`, `1:02:03`. */
export function clockSpan(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (part: number) => String(part).padStart(2, "0");
  const minutes = Math.floor(whole / MINUTE);
  return minutes < 60
    ? `${minutes}:${two(whole % MINUTE)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % MINUTE)}`;
}

/** `14:52:08` in the operator's own time zone. */
export function timeOfDay(then: string, seconds = true): string {
  return new Date(then).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
  });
}

/** `18 Mar`, with the year where it is another one. */
export function day(then: string, now: number): string {
  const date = new Date(then);
  const sameYear = date.getFullYear() === new Date(now).getFullYear();
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
}

/** The exact time with its zone, for titles. */
export function exactly(then: string): string {
  return new Date(then).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" });
}

/** `7f3c 91a2 e04b 5d18`: the first 16 characters, as they are compared by eye. */
export function digestWords(digest: string): string {
  return (digest.slice(0, 16).match(/.{1,4}/g) ?? []).join(" ");
}

/** `PostgreSQL 15.8` from `150008`. */
export function serverVersion(number: number): string {
  return `PostgreSQL ${Math.floor(number / 10_000)}.${number % 10_000}`;
}

/** `7391…c20f`. */
export function shortIdentifier(identifier: string | null, oid: number): string {
  if (identifier === null) return `oid ${oid}`;
  return identifier.length > 8 ? `${identifier.slice(0, 4)}…${identifier.slice(-4)}` : identifier;
}

/** `AccessExclusiveLock` as PostgreSQL's manual writes it: `ACCESS EXCLUSIVE`. */
export function lockMode(mode: string): string {
  return mode
    .replace(/Lock$/, "")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toUpperCase();
}
