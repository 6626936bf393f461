/** Where a key leads in a list of rows; null: it is none of the list's keys. */
export function rowFor(key: string, at: number, total: number, sight: number): number | null {
  const to =
    key === "ArrowDown"
      ? at + 1
      : key === "ArrowUp"
        ? at - 1
        : key === "PageDown"
          ? at + sight
          : key === "PageUp"
            ? at - sight
            : key === "Home"
              ? 0
              : key === "End"
                ? total - 1
                : null;
  return to === null || total === 0 ? null : Math.min(total - 1, Math.max(0, to));
}
