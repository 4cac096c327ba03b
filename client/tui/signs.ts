/** Signs that a list and a header use. */
export interface Signs {
  readonly verified: string;
  readonly changed: string;
  /** A name that is nobody's. */
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

/** The signs for a terminal that can show more than ASCII, or cannot. */
export function signsFor(unicode: boolean): Signs {
  return unicode ? UNICODE : ASCII;
}
