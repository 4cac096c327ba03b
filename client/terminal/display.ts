import { variable } from "../../cli/environment.ts";

/** Whether the terminal can show more than ASCII, as TERM and the locale say. */
export function showsUnicode(): boolean {
  if (isDumb() || variable("TERM") === "linux") return false;
  const locale = variable("LC_ALL") || variable("LC_CTYPE") || variable("LANG");
  return !locale || /utf-?8/i.test(locale);
}

/** Whether colours are wanted (https://no-color.org). */
export function showsColours(): boolean {
  return !isDumb() && !variable("NO_COLOR");
}

/** Whether the terminal cannot move its cursor. */
export function isDumb(): boolean {
  return variable("TERM") === "dumb";
}

/** Whether the terminal is of a kind that shows hyperlinks (OSC 8), or passes over them. */
export function knowsHyperlinks(): boolean {
  return /^(?:xterm|tmux|screen|rxvt|wezterm|foot|alacritty|kitty|ghostty|vte|konsole|contour|st-)/
    .test(variable("TERM") ?? "");
}
