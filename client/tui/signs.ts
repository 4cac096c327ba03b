/** The signs of lists and headers. */
export interface Signs {
  readonly verified: string;
  readonly changed: string;
  /** No user has this name. */
  readonly nobody: string;
  readonly reply: string;
  readonly attachment: string;
  readonly tagged: string;
  readonly line: string;
  readonly bar: string;
  readonly more: string;
}

const UNICODE: Signs = {
  verified: "✓",
  changed: "!",
  nobody: "✗",
  reply: "↳ ",
  attachment: "@",
  tagged: "*",
  line: "─",
  bar: "│",
  more: "…",
};

const ASCII: Signs = {
  verified: "+",
  changed: "!",
  nobody: "x",
  reply: "> ",
  attachment: "@",
  tagged: "*",
  line: "-",
  bar: "|",
  more: "~",
};

/** The signs for a terminal with or without Unicode. */
export function signsFor(unicode: boolean): Signs {
  return unicode ? UNICODE : ASCII;
}
