import libmime from "libmime";
import { bad, ImapError } from "./error.ts";
import { type HeaderField, headerFields } from "./header.ts";
import type { ImapParser } from "./parser.ts";
import { bytesOf } from "./section.ts";
import type { Selected } from "./selected.ts";
import type { MailStore } from "./store.ts";

/** What messages a SEARCH looks for. */
export interface Condition {
  /** What looking costs: 0 for the list of messages alone, 1 for summaries, 2 for texts. */
  readonly cost: 0 | 1 | 2;
  /** Whether it asks for modification sequences. */
  readonly modseq: boolean;
  /** Whether the message at `position` fits. */
  test(position: number, store: MailStore): boolean | Promise<boolean>;
}

/** Longest text to look for, characters. */
const MAX_TEXT = 1000;

const DAY = 86_400_000;

/** Reads conditions up to the end of the command: all of them must hold. Throws `BAD`. */
export function readConditions(args: ImapParser, selected: Selected): Condition {
  const all = [readCondition(args, selected)];
  while (args.take(" ")) all.push(readCondition(args, selected));
  return and(all);
}

function readCondition(args: ImapParser, selected: Selected): Condition {
  const next = args.peek();
  if (next === "(") return args.deeper(() => and(args.list(() => readCondition(args, selected))));
  if (/[\d*]/.test(next)) return among(new Set(selected.positions(args.sequenceSet(), false)));
  const word = args.word();
  const text = () => {
    args.space();
    const wanted = args.astring();
    if (wanted.length > MAX_TEXT) throw bad("too long a text to look for");
    return wanted.toLowerCase();
  };
  const number = () => {
    args.space();
    return args.number();
  };
  const date = () => {
    args.space();
    return args.date();
  };
  const flag = (name: string, set: boolean) => flagged(selected, name, set);
  const keyword = () => {
    args.space();
    return args.atom();
  };
  switch (word) {
    case "ALL":
    // No message is ever recent: who comes first cannot be told.
    case "OLD":
      return cheap(() => true);
    case "NEW":
    case "RECENT":
      return cheap(() => false);
    case "ANSWERED":
    case "DELETED":
    case "DRAFT":
    case "FLAGGED":
    case "SEEN":
      return flag(`\\${word}`, true);
    case "UNANSWERED":
    case "UNDELETED":
    case "UNDRAFT":
    case "UNFLAGGED":
    case "UNSEEN":
      return flag(`\\${word.slice(2)}`, false);
    case "KEYWORD":
      return flag(keyword(), true);
    case "UNKEYWORD":
      return flag(keyword(), false);
    case "NOT": {
      args.space();
      const inner = args.deeper(() => readCondition(args, selected));
      return { ...inner, test: async (at, store) => !await inner.test(at, store) };
    }
    case "OR": {
      args.space();
      const [a, b] = args.deeper(() => {
        const one = readCondition(args, selected);
        args.space();
        return [one, readCondition(args, selected)];
      });
      return or(a, b);
    }
    case "UID":
      args.space();
      return among(new Set(selected.positions(args.sequenceSet(), true)));
    case "LARGER":
    case "SMALLER": {
      const limit = number();
      return ofHead(selected, ({ size }) => word === "LARGER" ? size > limit : size < limit);
    }
    case "BEFORE":
    case "ON":
    case "SINCE":
      return ofDay(selected, word, date(), ({ receivedAt }) => receivedAt);
    case "SENTBEFORE":
    case "SENTON":
    case "SENTSINCE":
      return ofDay(selected, word.slice(4), date(), ({ fields }) => {
        return dayWritten(valueOf(headerFields(fields.join("\r\n")), "date"));
      });
    case "FROM":
    case "TO":
    case "CC":
    case "BCC":
    case "SUBJECT": {
      const wanted = text();
      return ofField(selected, word.toLowerCase(), wanted);
    }
    case "HEADER": {
      args.space();
      const name = args.astring().toLowerCase();
      return ofField(selected, name, text());
    }
    case "BODY":
      return ofText(selected, text(), false);
    case "TEXT":
      return ofText(selected, text(), true);
    case "MODSEQ": {
      args.space();
      if (args.peek() === '"') {
        // One flag's own sequence is not kept apart (RFC 7162, section 3.1.5).
        args.string();
        args.space();
        args.word();
        args.space();
      }
      const least = args.number();
      return { ...cheap((at) => (selected.at(at)?.modseq ?? 0) >= least), modseq: true };
    }
    case "EMAILID": {
      const id = keyword();
      return cheap((at) => selected.at(at)?.emailId === id);
    }
    case "THREADID":
      keyword();
      return cheap(() => false);
    default:
      throw bad(`SEARCH has no ${word}`);
  }
}

function cheap(test: (position: number) => boolean): Condition {
  return { cost: 0, modseq: false, test };
}

function among(positions: ReadonlySet<number>): Condition {
  return cheap((at) => positions.has(at));
}

function flagged(selected: Selected, name: string, set: boolean): Condition {
  const wanted = name.toLowerCase();
  return cheap((at) => {
    const flags = selected.at(at)?.flags ?? [];
    return flags.some((flag) => flag.toLowerCase() === wanted) === set;
  });
}

/** What is cheap is looked at first. */
function and(all: readonly Condition[]): Condition {
  const ordered = all.toSorted((a, b) => a.cost - b.cost);
  return {
    cost: ordered.at(-1)?.cost ?? 0,
    modseq: all.some(({ modseq }) => modseq),
    test: async (at, store) => {
      for (const one of ordered) if (!await one.test(at, store)) return false;
      return true;
    },
  };
}

function or(a: Condition, b: Condition): Condition {
  const [first, second] = a.cost <= b.cost ? [a, b] : [b, a];
  return {
    cost: second.cost,
    modseq: a.modseq || b.modseq,
    test: async (at, store) => await first.test(at, store) || await second.test(at, store),
  };
}

type Head = Awaited<ReturnType<MailStore["head"]>>;

function ofHead(selected: Selected, test: (head: Head) => boolean): Condition {
  return {
    cost: 1,
    modseq: false,
    test: async (at, store) => {
      const message = selected.at(at);
      return message !== undefined &&
        await unlessGone(async () => test(await store.head(message.key)));
    },
  };
}

function ofDay(
  selected: Selected,
  word: string,
  day: number,
  timeOf: (head: Head) => number,
): Condition {
  return ofHead(selected, (head) => {
    const at = timeOf(head);
    if (word === "BEFORE") return at < day;
    return at >= day && (word === "SINCE" || at < day + DAY);
  });
}

/** Whether a message fits; one that is gone meanwhile, or cannot be had, does not. */
async function unlessGone(test: () => Promise<boolean>): Promise<boolean> {
  try {
    return await test();
  } catch (error) {
    if (error instanceof ImapError) return false;
    throw error;
  }
}

/** The day that a Date field names, without regard to its zone, as the start of that day in UTC. */
function dayWritten(value: string): number {
  const [, day, month, year] = /(\d{1,2})\s+([A-Za-z]{3})\w*\s+(\d{4})/.exec(value) ?? [];
  return day === undefined ? 0 : Date.parse(`${day} ${month} ${year} UTC`) || 0;
}

function valueOf(fields: readonly HeaderField[], name: string): string {
  return fields.filter((field) => field.name === name)
    .map(({ text }) => text.slice(text.indexOf(":") + 1)).join("\n");
}

/** The fields that the head of a message has. */
const IN_HEAD = ["from", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to"];

function ofField(selected: Selected, name: string, wanted: string): Condition {
  return {
    cost: IN_HEAD.includes(name) ? 1 : 2,
    modseq: false,
    test: async (at, store) => {
      const message = selected.at(at);
      if (!message) return false;
      return await unlessGone(async () => {
        const fields = headerFields(
          IN_HEAD.includes(name)
            ? (await store.head(message.key)).fields.join("\r\n")
            : await wholeHeader(store, message.key),
        );
        return fields.some((field) => field.name === name && hasText(field, wanted));
      });
    },
  };
}

function hasText({ text }: HeaderField, wanted: string): boolean {
  const value = text.slice(text.indexOf(":") + 1);
  return wanted === "" || libmime.decodeWords(value).toLowerCase().includes(wanted);
}

async function wholeHeader(store: MailStore, key: number): Promise<string> {
  await using source = await store.open(key);
  const { from, bodyFrom } = await source.structure();
  return new TextDecoder().decode(await bytesOf(source, from, bodyFrom));
}

function ofText(selected: Selected, wanted: string, header: boolean): Condition {
  return {
    cost: 2,
    modseq: false,
    test: async (at, store) => {
      const message = selected.at(at);
      if (!message) return false;
      return await unlessGone(async () => {
        if (header) {
          const { fields } = await store.head(message.key);
          const known = headerFields(fields.join("\r\n"));
          if (known.some((field) => field.text.toLowerCase().includes(wanted))) return true;
          if (known.some((field) => hasText(field, wanted))) return true;
        }
        if ((await store.text(message.key)).toLowerCase().includes(wanted)) return true;
        return header && (await wholeHeader(store, message.key)).toLowerCase().includes(wanted);
      });
    },
  };
}
