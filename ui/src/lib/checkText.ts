/** The text of a file of checks as it is edited. What it means is for the engine to say. */

/** Where a line begins, 1-based; the end of the text where there are fewer. */
export function lineStart(text: string, line: number): number {
  let at = 0;
  for (let passed = 1; passed < line; passed += 1) {
    const next = text.indexOf("\n", at);
    if (next === -1) return text.length;
    at = next + 1;
  }
  return at;
}

export const lineCount = (text: string): number => text.split("\n").length;

/** A block at the end of a text, with one empty line before it. */
export function withBlock(text: string, block: string): string {
  const before = text.trimEnd();
  return `${before === "" ? "" : `${before}\n\n`}${block.trim()}\n`;
}

/** Names of the credentials that a text declares. Only to offer them: the engine reads the file. */
export function declaredIn(text: string): string[] {
  const names: string[] = [];
  let inside = false;
  for (const line of text.split("\n")) {
    if (/^\s*\[/.test(line)) inside = /^\s*\[\[\s*credentials\s*\]\]/.test(line);
    const name = inside ? /^\s*name\s*=\s*["']([A-Za-z0-9_]+)["']/.exec(line)?.[1] : undefined;
    if (name !== undefined && !names.includes(name)) names.push(name);
  }
  return names;
}

/** The block that declares a credential. */
export function credentialBlock(name: string, label: string): string {
  return `[[credentials]]\nname = ${JSON.stringify(name)}\nlabel = ${JSON.stringify(label)}\n`;
}

/** Line ends of a file: a text field knows only one kind, and the file keeps its own. */
export const unixLines = (text: string): string => text.replaceAll("\r\n", "\n");
export const withLineEnds = (text: string, windows: boolean): string =>
  windows ? unixLines(text).replaceAll("\n", "\r\n") : text;
