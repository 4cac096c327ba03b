import { Tokenizer } from "htmlparser2";

/** Elements that start and end a line. */
const BLOCKS = new Set(
  ("address article aside body caption center dd details div dl dt fieldset figcaption figure " +
    "footer form header hr html legend li main nav option section summary tbody td tfoot th " +
    "thead title tr").split(" "),
);
/** Elements with an empty line before and after them. */
const PARAGRAPHS = new Set("blockquote h1 h2 h3 h4 h5 h6 ol p pre table ul".split(" "));
/** Elements whose content is not text. */
const HIDDEN = new Set("noembed noframes script style title".split(" "));

/**
 * What a reader of `html` reads, as plain text: paragraphs, list items, and the address of each
 * link after its text, so that a link cannot claim to lead elsewhere. Takes any input, in time and
 * memory proportional to its length: the tokenizer is used without the tree it could build, as its
 * stack of open elements makes deep nesting quadratic.
 */
export function htmlToText(html: string): string {
  const writer = new Writer();
  let tag = "";
  let attribute = "";
  let value = "";
  let attributes = new Map<string, string>();
  const hidden: { until: string | null } = { until: null };
  const links: string[] = [];
  let preformatted = 0;

  const text = (piece: string) => {
    if (hidden.until === null) writer.text(piece, preformatted > 0);
  };
  const open = () => {
    if (HIDDEN.has(tag)) hidden.until = tag;
    if (PARAGRAPHS.has(tag)) writer.breakLine(2);
    else if (BLOCKS.has(tag)) writer.breakLine(1);
    if (tag === "br") writer.newline();
    else if (tag === "hr") writer.text("----------", false);
    else if (tag === "li") writer.text("* ", true);
    else if (tag === "pre") preformatted++;
    else if (tag === "img") text(attributes.get("alt") ?? "");
    else if (tag === "a") links.push(attributes.get("href") ?? "");
  };
  const close = (name: string) => {
    if (hidden.until === name) hidden.until = null;
    if (name === "a") writer.link(links.pop() ?? "");
    if (name === "pre") preformatted = Math.max(0, preformatted - 1);
    if (PARAGRAPHS.has(name)) writer.breakLine(2);
    else if (BLOCKS.has(name)) writer.breakLine(1);
  };
  const slice = (from: number, to: number) => html.slice(from, to);
  const nothing = () => {};

  const tokenizer = new Tokenizer({ xmlMode: false, decodeEntities: true }, {
    ontext: (from, to) => text(slice(from, to)),
    ontextentity: (codePoint) => text(String.fromCodePoint(codePoint)),
    onopentagname: (from, to) => {
      tag = slice(from, to).toLowerCase();
      attributes = new Map();
    },
    onattribname: (from, to) => {
      attribute = slice(from, to).toLowerCase();
      value = "";
    },
    onattribdata: (from, to) => value += slice(from, to),
    onattribentity: (codePoint) => value += String.fromCodePoint(codePoint),
    onattribend: () => {
      if (attribute === "href" || attribute === "alt") attributes.set(attribute, value);
    },
    onopentagend: open,
    onselfclosingtag: open,
    onclosetag: (from, to) => close(slice(from, to).toLowerCase()),
    oncdata: nothing,
    oncomment: nothing,
    ondeclaration: nothing,
    onprocessinginstruction: nothing,
    onend: nothing,
  });
  tokenizer.write(html);
  tokenizer.end();
  return writer.finish();
}

/** Collects text, folding white space as HTML does. */
class Writer {
  #out: string[] = [];
  /** Line ends to write before the next text, at most 2. */
  #breaks = 0;
  /** White space to write before the next text of the same line. */
  #space = false;
  #lineEmpty = true;
  /** What was written since the last link ended, to see whether it shows its address anyway. */
  #recent = "";

  text(piece: string, preformatted: boolean): void {
    if (piece === "") return;
    if (preformatted) return this.#write(piece);
    for (const word of piece.split(/([ \t\r\n\f]+)/)) {
      if (word === "") continue;
      if (/^[ \t\r\n\f]/.test(word)) this.#space = true;
      else this.#write(word);
    }
  }

  /** At least `count` line ends before what follows, unless nothing comes before it. */
  breakLine(count: number): void {
    if (this.#out.length > 0) this.#breaks = Math.max(this.#breaks, count);
    this.#space = false;
  }

  newline(): void {
    this.#flush();
    this.#out.push("\n");
    this.#lineEmpty = true;
    this.#space = false;
  }

  link(address: string): void {
    const target = address.trim();
    const shown = this.#recent.endsWith(target.replace(/^mailto:/i, ""));
    if (/^(?:https?|ftp|mailto):/i.test(target) && !shown) {
      this.#space = true;
      this.#write(`<${target}>`);
    }
    this.#recent = "";
  }

  finish(): string {
    const text = this.#out.join("");
    let from = 0;
    let to = text.length;
    while (text[from] === "\n") from++;
    while (to > from && text[to - 1] === "\n") to--;
    return text.slice(from, to);
  }

  #write(piece: string): void {
    this.#flush();
    if (this.#space && !this.#lineEmpty) this.#out.push(" ");
    this.#space = false;
    this.#out.push(piece);
    this.#lineEmpty = piece.endsWith("\n");
    this.#recent = (this.#recent + piece).slice(-2048);
  }

  #flush(): void {
    if (this.#breaks === 0) return;
    // A line that has ended already counts as one of them.
    const needed = this.#lineEmpty ? this.#breaks - 1 : this.#breaks;
    this.#out.push("\n".repeat(needed));
    this.#breaks = 0;
    this.#lineEmpty = true;
    this.#space = false;
  }
}
