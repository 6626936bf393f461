/**
 * Long lists that are drawn only where they are looked at. A browser measures no element of many million pixels, so
 * above a limit the scroll bar stands for the whole, while wheel and keys still move row by row.
 */

/** Pixels that an element may have in every engine, with room to spare. */
export const LIMIT = 8_000_000;

export type Sight = {
  /** Rows in all. */
  total: number;
  /** Pixels of a row; all have the same. */
  row: number;
  /** Pixels that are seen. */
  height: number;
};

/** Where the list stands: what the scroll bar says, and the first pixel of the list that is seen. */
export type Stand = { scroll: number; top: number };

/** Height of the element that is scrolled. */
export function spanOf({ total, row }: Sight): number {
  return Math.min(total * row, LIMIT);
}

/** The last first pixel. */
export function farthest({ total, row, height }: Sight): number {
  return Math.max(0, total * row - height);
}

const within = (value: number, most: number) => Math.min(most, Math.max(0, value));

/** The stand after the scroll bar moved: by little, rows move with it; by much, it names a place in the whole. */
export function moved(sight: Sight, before: Stand, scroll: number): Stand {
  const most = farthest(sight);
  if (sight.total * sight.row <= LIMIT) return { scroll, top: within(scroll, most) };
  const by = scroll - before.scroll;
  const end = LIMIT - sight.height;
  if (scroll <= 0 && Math.abs(by) >= sight.height) return { scroll, top: 0 };
  if (Math.abs(by) < sight.height) return { scroll, top: within(before.top + by, most) };
  return { scroll, top: within((scroll / end) * most, most) };
}

/** Where the scroll bar belongs for a first pixel. */
export function barFor(sight: Sight, top: number): number {
  const most = farthest(sight);
  if (sight.total * sight.row <= LIMIT) return within(top, most);
  return most === 0 ? 0 : (within(top, most) / most) * (LIMIT - sight.height);
}

/** Rows to draw: those in sight and some around them; the end is exclusive. */
export function drawn(sight: Sight, top: number, around: number): { from: number; to: number } {
  const from = Math.max(0, Math.min(sight.total, Math.floor(top / sight.row)) - around);
  const to = Math.min(sight.total, Math.ceil((top + sight.height) / sight.row) + around);
  return { from, to };
}

/** The first pixel that brings a row into sight, moving no farther than needed. */
export function reveal(sight: Sight, top: number, index: number): number {
  const at = index * sight.row;
  if (at < top) return at;
  if (at + sight.row > top + sight.height) return within(at + sight.row - sight.height, farthest(sight));
  return top;
}
