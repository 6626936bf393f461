import type { Attachment } from "svelte/attachments";

/** Widths in percent, set through the CSSOM: the content security policy allows no style attributes. */
export function place(position: {
  left?: number;
  width?: number;
  height?: number;
  grow?: number;
}): Attachment<HTMLElement> {
  return (node) => {
    if (position.left !== undefined) node.style.left = `${position.left}%`;
    if (position.width !== undefined) node.style.width = `${position.width}%`;
    if (position.height !== undefined) node.style.height = `${position.height}px`;
    if (position.grow !== undefined) node.style.flexGrow = String(position.grow);
  };
}

/** A width in pixels. */
export function wide(pixels: number): Attachment<HTMLElement> {
  return (node) => {
    node.style.width = `${pixels}px`;
  };
}

/** At least so many pixels wide. */
export function atLeast(pixels: number): Attachment<HTMLElement> {
  return (node) => {
    node.style.minWidth = `${pixels}px`;
  };
}

/** Comes into sight, where it would stand below the fold. */
export const inSight: Attachment<HTMLElement> = (node) => {
  node.scrollIntoView({ block: "nearest" });
};

/** Takes the focus as soon as it is there. */
export const focused: Attachment<HTMLElement> = (node) => {
  node.focus();
};
