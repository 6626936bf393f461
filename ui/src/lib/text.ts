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
