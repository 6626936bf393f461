/** Characters that would hide or reorder what the server wrote: controls, bidi marks, zero-width ones, odd spaces. */
const INVISIBLE =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

const NAMES: Record<string, string> = {
  "\u0000": "NUL",
  "\u001b": "ESC",
  "\u007f": "DEL",
  "\u00ad": "SHY",
  "\u061c": "ALM",
  "\u200b": "ZWSP",
  "\u200c": "ZWNJ",
  "\u200d": "ZWJ",
  "\u200e": "LRM",
  "\u200f": "RLM",
  "\u202a": "LRE",
  "\u202b": "RLE",
  "\u202c": "PDF",
  "\u202d": "LRO",
  "\u202e": "RLO",
  "\u2066": "LRI",
  "\u2067": "RLI",
  "\u2068": "FSI",
  "\u2069": "PDI",
  "\ufeff": "BOM",
};

/** Server text as a person may trust it: nothing in it is hidden, nothing reorders what stands beside it. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    return `\u27e8${NAMES[character] ?? `U+${code}`}\u27e9`;
  });
}

/** One line: breaks and tabs become visible, too. */
export function visibleLine(text: string): string {
  return visible(text)
    .replace(/\r?\n|\r/g, "\u21b5")
    .replace(/\t/g, " ");
}

export type Piece = { text: string; code: boolean };

/** Splits a sentence at back-ticks: what stands between them is an identifier. */
export function pieces(sentence: string): Piece[] {
  return visible(sentence)
    .split("`")
    .map((text, index) => ({ text, code: index % 2 === 1 }))
    .filter((piece) => piece.text !== "");
}

export type ValuePiece = { text: string; mark: boolean };

/** Marks of what one cannot see in a value: breaks, tabs, blanks that are more than a gap between words. */
const MARKS = /\r\n|[\r\n\t]|[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|^ +| +$| {2,}/g;

/** A value of a row in one line; blanks that matter and breaks are drawn as marks. */
export function valuePieces(text: string): ValuePiece[] {
  const shown = visible(text);
  const found: ValuePiece[] = [];
  let at = 0;
  for (const match of shown.matchAll(MARKS)) {
    if (match.index > at) found.push({ text: shown.slice(at, match.index), mark: false });
    at = match.index + match[0].length;
    const first = match[0].charAt(0);
    const mark =
      first === " "
        ? "\u00b7".repeat(match[0].length)
        : first === "\t"
          ? "\u21e5"
          : first === "\r" || first === "\n"
            ? "\u21b5"
            : `\u27e8U+${first.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
    found.push({ text: mark, mark: true });
  }
  if (at < shown.length) found.push({ text: shown.slice(at), mark: false });
  return found;
}
