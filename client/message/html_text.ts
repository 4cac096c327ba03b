import { Tokenizer } from "htmlparser2";
import { visible } from "../../cli/printable.ts";
import { TableCells } from "./html_table.ts";

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

/** Attributes that say how an element is read. */
const KEPT = new Set(["alt", "colspan", "hidden", "href", "role", "rowspan", "style"]);
/** Elements without content, which are never closed. */
const VOID = new Set("area base br col embed hr img input link meta source track wbr".split(" "));
/** Elements that end where the next of their kind begins. */
const SIBLINGS = new Set("dd dt li option p td th tr".split(" "));
/** Elements before which a paragraph ends that nobody closed (HTML, 13.2.6.4.7). */
const CLOSES_PARAGRAPH = new Set(
  ("address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption " +
    "figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr li listing main menu nav ol pre search " +
    "section summary table ul").split(" "),
);
/** Styles that hide an element: so do mails with the line that lists of messages preview. */
const HIDING = new RegExp(
  "(?:^|;)\\s*(?:display\\s*:\\s*none|visibility\\s*:\\s*hidden|opacity\\s*:\\s*0(?:\\.0*)?|" +
    "max-height\\s*:\\s*0(?:px)?)\\s*(?:!|;|$)",
  "i",
);

/**
 * What a reader of `html` reads, as plain text: paragraphs, list items, quotations behind `>`, tables in
 * aligned columns if they fit into `columns` of a terminal, and the address of each link after its text,
 * so that a link cannot claim to lead elsewhere. What is hidden is left out, unless nothing else is
 * there. Takes any input, in time and memory proportional to its length: the tokenizer is used without
 * the tree it could build, as its stack of open elements makes deep nesting quadratic.
 */
export function htmlToText(html: string, columns: number = COLUMNS): string {
  const text = convert(html, columns, false);
  return text.trim() === "" ? convert(html, columns, true) : text;
}

/** How wide tables are at most where nobody says how much room there is, columns. */
const COLUMNS = 76;

/** A table that was not closed yet. */
interface OpenTable {
  readonly cells: TableCells;
  /** Where it begins in the HTML. */
  readonly start: number;
  /** Where its text begins, and how deep it is quoted. */
  readonly mark: Mark;
  /** The cell that is open; null between cells. */
  cell: { readonly writer: Writer; readonly heading: boolean; readonly spans: Spans } | null;
}

/** What the attributes of a cell say of the columns and rows it spans. */
interface Spans {
  readonly columns: string;
  readonly rows: string;
}

function convert(html: string, columns: number, withHidden: boolean): string {
  const writer = new Writer();
  let tag = "";
  /** Where the name of that begins. */
  let at = 0;
  let attribute = "";
  let value = "";
  let attributes = new Map<string, string>();
  /** The element whose content is left out, and how many of its kind are open within it. */
  let hidden: { readonly tag: string; depth: number } | null = null;
  const links: string[] = [];
  let preformatted = 0;

  const tables: OpenTable[] = [];
  /** Writes, and where a cell of a table is open, into that too. */
  const write = (what: (writer: Writer) => void) => {
    what(writer);
    const table = tables.at(-1);
    if (table?.cell) what(table.cell.writer);
  };

  const text = (piece: string) => {
    if (hidden !== null) return;
    const table = tables.at(-1);
    if (table && table.cell === null && piece.trim() !== "") table.cells.reject();
    write((to) => to.text(piece, preformatted > 0));
  };
  const endCell = () => {
    const table = tables.at(-1);
    if (!table?.cell) return;
    const { writer: cell, heading, spans } = table.cell;
    table.cell = null;
    table.cells.add(cell.finish(), heading, spans.columns, spans.rows);
  };
  const openTable = (start: number) => {
    tables.at(-1)?.cells.reject();
    const cells = new TableCells();
    if (attributes.get("role") === "presentation") cells.reject();
    tables.push({ cells, start, mark: writer.mark(), cell: null });
  };
  const closeTable = (end: number) => {
    endCell();
    const table = tables.pop();
    if (!table) return;
    const room = columns - 2 * table.mark.quotes;
    const lines = table.cells.layOut(room, 4 * (end - table.start));
    if (lines !== null) writer.replace(table.mark, lines);
  };
  const openPart = () => {
    const table = tables.at(-1);
    if (!table?.cells.isData) return;
    if (tag === "tr") {
      endCell();
      table.cells.beginRow();
    } else if (tag === "td" || tag === "th") {
      endCell();
      const spans = {
        columns: attributes.get("colspan") ?? "",
        rows: attributes.get("rowspan") ?? "",
      };
      table.cell = { writer: new Writer(), heading: tag === "th", spans };
    }
  };
  const isHidden = () =>
    HIDDEN.has(tag) || !withHidden &&
      (attributes.has("hidden") || HIDING.test(attributes.get("style") ?? ""));
  const open = () => {
    if (hidden?.tag === tag) {
      if (hidden.depth > 1 || !SIBLINGS.has(tag)) hidden.depth++;
      else hidden = null;
    } else if (hidden?.tag === "p" && CLOSES_PARAGRAPH.has(tag)) hidden = null;
    if (hidden !== null) return;
    if (isHidden()) {
      if (!VOID.has(tag)) hidden = { tag, depth: 1 };
      return;
    }
    openPart();
    if (PARAGRAPHS.has(tag)) write((to) => to.breakLine(2));
    else if (BLOCKS.has(tag)) write((to) => to.breakLine(1));
    if (tag === "table") openTable(at);
    else if (tag === "br") write((to) => to.newline());
    else if (tag === "hr") write((to) => to.text("----------", false));
    else if (tag === "li") write((to) => to.text("* ", true));
    else if (tag === "pre") preformatted++;
    else if (tag === "blockquote") write((to) => to.quote(1));
    else if (tag === "img") text(attributes.get("alt") ?? "");
    else if (tag === "a") links.push(attributes.get("href") ?? "");
  };
  const close = (name: string, end: number) => {
    if (hidden !== null) {
      if (hidden.tag === name && --hidden.depth === 0) hidden = null;
      return;
    }
    if (name === "a") {
      const address = links.pop() ?? "";
      write((to) => to.link(address));
    }
    if (name === "pre") preformatted = Math.max(0, preformatted - 1);
    if (name === "td" || name === "th" || name === "tr") endCell();
    else if (name === "table") closeTable(end);
    if (PARAGRAPHS.has(name)) write((to) => to.breakLine(2));
    else if (BLOCKS.has(name)) write((to) => to.breakLine(1));
    if (name === "blockquote") write((to) => to.quote(-1));
  };
  const slice = (from: number, to: number) => html.slice(from, to);
  const nothing = () => {};

  const tokenizer = new Tokenizer({ xmlMode: false, decodeEntities: true }, {
    ontext: (from, to) => text(slice(from, to)),
    ontextentity: (codePoint) => text(String.fromCodePoint(codePoint)),
    onopentagname: (from, to) => {
      tag = slice(from, to).toLowerCase();
      at = from;
      attributes = new Map();
    },
    onattribname: (from, to) => {
      attribute = slice(from, to).toLowerCase();
      value = "";
    },
    onattribdata: (from, to) => value += slice(from, to),
    onattribentity: (codePoint) => value += String.fromCodePoint(codePoint),
    onattribend: () => {
      if (KEPT.has(attribute)) attributes.set(attribute, value);
    },
    onopentagend: open,
    onselfclosingtag: open,
    onclosetag: (from, to) => close(slice(from, to).toLowerCase(), to),
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

/** A place in a text, at the beginning of a line. */
interface Mark {
  readonly lines: number;
  readonly breaks: number;
  readonly quotes: number;
}

/** How deep a quotation is shown to be, at most. */
const MAX_QUOTES = 10;

/** Collects text, folding white space as HTML does. */
class Writer {
  /** Lines that have ended. */
  #lines: string[] = [];
  #line: string[] = [];
  /** How deep the line is quoted, which is fixed when something is written in it. */
  #lineQuotes = 0;
  #quotes = 0;
  /** Line ends to write before the next text, at most 2. */
  #breaks = 0;
  /** White space to write before the next text of the same line. */
  #space = false;
  /** What was written since the last link ended, to see whether it shows its address anyway. */
  #recent = "";

  text(piece: string, preformatted: boolean): void {
    if (piece === "") return;
    if (preformatted) {
      for (const [i, line] of piece.split("\n").entries()) {
        if (i > 0) this.newline();
        if (line !== "") this.#write(line);
      }
      return;
    }
    for (const word of piece.split(/([ \t\r\n\f]+)/)) {
      if (word === "") continue;
      if (/^[ \t\r\n\f]/.test(word)) this.#space = true;
      else this.#write(word);
    }
  }

  /** At least `count` line ends before what follows, unless nothing comes before it. */
  breakLine(count: number): void {
    const empty = this.#lines.length === 0 && this.#line.length === 0;
    if (!empty) this.#breaks = Math.max(this.#breaks, count);
    this.#space = false;
  }

  newline(): void {
    this.#flush();
    this.#endLine(this.#line.length > 0 ? this.#lineQuotes : this.#quotes);
  }

  /** What follows is quoted one level deeper (1), or less deep (-1). */
  quote(levels: 1 | -1): void {
    this.#quotes = Math.max(0, this.#quotes + levels);
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

  /** Where what comes next begins: after a {@linkcode Writer.breakLine}. */
  mark(): Mark {
    if (this.#line.length > 0) this.#endLine(this.#lineQuotes);
    return { lines: this.#lines.length, breaks: this.#breaks, quotes: this.#quotes };
  }

  /** Puts `lines` in the place of all that was written since `mark`. */
  replace({ lines: kept, breaks }: Mark, lines: readonly string[]): void {
    this.#lines.length = kept;
    this.#line = [];
    this.#breaks = breaks;
    this.#space = false;
    this.#recent = "";
    for (const [i, line] of lines.entries()) {
      if (i > 0) this.newline();
      if (line !== "") this.#write(line);
    }
  }

  /** The text, without what nobody sees of it, and without empty lines around it. */
  finish(): string {
    if (this.#line.length > 0) this.#endLine(this.#lineQuotes);
    const text = visible(this.#lines.join("\n"), { lines: true });
    let from = 0;
    let to = text.length;
    while (text[from] === "\n") from++;
    while (to > from && text[to - 1] === "\n") to--;
    return text.slice(from, to);
  }

  #write(piece: string): void {
    this.#flush();
    if (this.#line.length === 0) this.#lineQuotes = this.#quotes;
    else if (this.#space && !this.#line.at(-1)?.endsWith(" ")) this.#line.push(" ");
    this.#space = false;
    this.#line.push(piece);
    this.#recent = (this.#recent + piece).slice(-2048);
  }

  #endLine(quotes: number): void {
    const line = this.#line.join("");
    const marks = ">".repeat(Math.min(quotes, MAX_QUOTES));
    this.#lines.push(marks === "" || line === "" ? marks + line : `${marks} ${line}`);
    this.#line = [];
    this.#space = false;
  }

  #flush(): void {
    if (this.#breaks === 0) return;
    // A line that has ended already counts as one of them.
    const before = this.#lineQuotes;
    if (this.#line.length > 0) this.#endLine(before);
    for (let i = 1; i < this.#breaks; i++) this.#endLine(Math.min(before, this.#quotes));
    this.#breaks = 0;
  }
}
