/** A line of a text as format=flowed has it. */
interface FlowedLine {
  /** How deep it is quoted. */
  readonly depth: number;
  readonly text: string;
}

/**
 * A format=flowed text (RFC 3676) with its paragraphs in one line each: lines that end in a space go on
 * in the next one of the same quote depth; with `delSp`, that space goes. The signature separator `-- `
 * is a line of its own (section 4.3). Takes time proportional to the text.
 */
export function unflow(text: string, delSp: boolean): string {
  const out: string[] = [];
  /** The lines of the paragraph that is not at its end, which all have this depth. */
  let paragraph: string[] = [];
  let depth = 0;
  const end = () => {
    if (paragraph.length > 0) out.push(quoted(depth, paragraph.join("")));
    paragraph = [];
  };
  for (const line of text.split("\n").map(readLine)) {
    const separator = line.text === "-- ";
    if (line.depth !== depth || separator) end();
    depth = line.depth;
    const flows = line.text.endsWith(" ") && !separator;
    paragraph.push(flows && delSp ? line.text.slice(0, -1) : line.text);
    if (!flows) end();
  }
  end();
  return out.join("\n");
}

/** Takes the quote marks and the space that was put before the text away (sections 4.4 and 4.5). */
function readLine(line: string): FlowedLine {
  let depth = 0;
  while (line[depth] === ">") depth++;
  const stuffed = line[depth] === " " ? 1 : 0;
  return { depth, text: line.slice(depth + stuffed) };
}

function quoted(depth: number, text: string): string {
  if (depth === 0) return text;
  return text === "" ? ">".repeat(depth) : `${">".repeat(depth)} ${text}`;
}
