/** Whether typing goes into what has the focus. */
export function inField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  return target.matches("textarea, select, input:not([type='checkbox'], [type='radio'], [type='button'])");
}

/** Whether Enter already means something to what has the focus. */
export function takesEnter(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (inField(target) || target.closest("button, a, summary, [data-enter]") !== null)
  );
}

export function dialogIsOpen(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
