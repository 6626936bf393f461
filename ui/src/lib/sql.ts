/** A small tokenizer: enough to show SQL in three inks, never to understand it. */

export type TokenKind = "keyword" | "comment" | "string" | "plain";
export type Token = { kind: TokenKind; text: string };

const KEYWORDS = new Set(
  `add all alter analyze and any as asc begin between by call cascade case cast check cluster coalesce collate column
  comment commit concurrently constraint create cross current_timestamp database default deferrable deferred delete desc
  distinct do domain drop each else end enum except execute exists extension false for foreign from full function grant
  group having if ilike in index inherits initially inner insert intersect into is join key language left like limit
  lock materialized natural no not null of offset on only or order outer owner partition policy primary procedure
  references refresh reindex rename replace restrict returning returns revoke right rollback row rows savepoint schema
  select sequence serial set show start table temporary then to transaction trigger truncate true type union unique
  update using vacuum validate value values view volatile when where with without work`
    .split(/\s+/)
    .filter(Boolean),
);

const PATTERN = new RegExp(
  [
    String.raw`(?<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
    String.raw`(?<string>[eE]?'(?:[^'\\]|''|\\[\s\S])*(?:'|$)|(?<tag>\$[A-Za-z_]*\$)[\s\S]*?(?:\k<tag>|$))`,
    String.raw`(?<quoted>"(?:[^"]|"")*(?:"|$))`,
    String.raw`(?<word>[A-Za-z_][A-Za-z0-9_$]*)`,
  ].join("|"),
  "g",
);

/** The text in tokens; joined together again they are the text. */
export function tokens(sql: string): Token[] {
  const found: Token[] = [];
  const push = (kind: TokenKind, text: string) => {
    const last = found.at(-1);
    if (text === "") return;
    if (last?.kind === kind) last.text += text;
    else found.push({ kind, text });
  };
  let at = 0;
  for (const match of sql.matchAll(PATTERN)) {
    push("plain", sql.slice(at, match.index));
    at = match.index + match[0].length;
    const groups = match.groups ?? {};
    if (groups["comment"] !== undefined) push("comment", match[0]);
    else if (groups["string"] !== undefined) push("string", match[0]);
    else push(KEYWORDS.has(match[0].toLowerCase()) ? "keyword" : "plain", match[0]);
  }
  push("plain", sql.slice(at));
  return found;
}
