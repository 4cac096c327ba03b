import { passing } from "../../../../crypto/bytes.ts";
import type { Context, ImapCommand } from "../command.ts";
import { bad, ImapBye, ImapError } from "../error.ts";
import { formatEnvelope, headerFields } from "../header.ts";
import type { ImapParser } from "../parser.ts";
import {
  fromHead,
  fromMessage,
  partOf,
  readSection,
  type Section,
  type SectionBytes,
  whole,
} from "../section.ts";
import type { MessageHead, MessageSource, PlacedMessage } from "../store.ts";
import { formatStructure } from "../structure.ts";
import { tellVanished } from "./select.ts";

/** Messages whose heads are opened at a time. */
const AT_ONCE = 64;

const SIMPLE = [
  "FLAGS",
  "UID",
  "INTERNALDATE",
  "RFC822.SIZE",
  "ENVELOPE",
  "BODYSTRUCTURE",
  "BODY",
  "MODSEQ",
  "EMAILID",
  "THREADID",
] as const;
type Simple = typeof SIMPLE[number];

const MACROS: Readonly<Record<string, readonly Simple[]>> = {
  ALL: ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"],
  FAST: ["FLAGS", "INTERNALDATE", "RFC822.SIZE"],
  FULL: ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"],
};

/** What a FETCH asks for. */
interface Asked {
  readonly simple: ReadonlySet<Simple>;
  readonly sections: readonly (Section & { readonly peek: boolean })[];
}

/** FETCH (RFC 9051, section 6.4.5; RFC 3501 for RFC822 and the like; RFC 7162; RFC 8474). */
export const FETCH: ImapCommand = {
  when: "selected",
  uid: true,
  removals: false,
  run: async (context, args, byUid) => {
    const { selected, store, features } = context;
    args.space();
    const set = args.sequenceSet();
    args.space();
    const asked = readItems(args);
    let positions = selected.positions(set, byUid);
    if (args.take(" ")) {
      const { since, vanished } = readModifiers(args);
      context.useCondstore();
      asked.simple.add("MODSEQ");
      if (vanished && !(byUid && features.has("qresync"))) throw bad("VANISHED needs QRESYNC");
      if (vanished && since < selected.view.modseq) {
        tellVanished(context.output, selected.view, set);
      }
      positions = positions.filter((i) => (selected.at(i)?.modseq ?? 0) > since);
    }
    args.end();
    // fetchmail takes whatever else comes first for an error, and asks in these words.
    if (asked.sections.some((one) => OLD.includes(one))) context.keepQuiet();
    if (byUid) asked.simple.add("UID");
    if (asked.simple.has("MODSEQ")) context.useCondstore();
    const marks = asked.sections.some(({ peek }) => !peek) && !selected.readOnly;
    const seen = marks ? await markSeen(context, positions) : new Set();
    const messages = positions.flatMap((position) => {
      const message = selected.at(position);
      return message ? [{ position, message }] : [];
    });
    let problem: ImapError | null = null;
    for (let from = 0; from < messages.length; from += AT_ONCE) {
      const some = messages.slice(from, from + AT_ONCE);
      const heads = needsHead(asked)
        ? await Promise.all(some.map(({ message }) => orProblem(store.head(message.key))))
        : [];
      for (const [i, { position, message }] of some.entries()) {
        const head = heads[i] ?? null;
        const failed = head instanceof ImapError ? head : await tell(
          context,
          position,
          message,
          head,
          withFlags(asked, seen.has(message.uid)),
          messages.length === 1,
        );
        problem ??= failed;
        if (messages.length > 1) context.progress(from + i + 1, messages.length);
      }
      await context.output.drain();
    }
    if (problem) throw problem;
  },
};

function readItems(
  args: ImapParser,
): { simple: Set<Simple>; sections: (Section & { peek: boolean })[] } {
  const simple = new Set<Simple>();
  const sections: (Section & { peek: boolean })[] = [];
  const read = (macros: boolean) => {
    if (args.take("BODY.PEEK[")) return void sections.push({ ...readSection(args), peek: true });
    if (args.take("BODY[")) return void sections.push({ ...readSection(args), peek: false });
    const word = args.word();
    const known = SIMPLE.find((one) => one === word);
    const old = OLD.find(({ label }) => label === word);
    if (known !== undefined) simple.add(known);
    else if (old) sections.push(old);
    else if (macros && Object.hasOwn(MACROS, word)) {
      for (const one of MACROS[word] ?? []) simple.add(one);
    } else throw bad(`FETCH has no ${word}`);
  };
  if (args.peek() !== "(") read(true);
  else if (args.list(() => read(false)).length === 0) throw bad("nothing is asked for");
  return { simple, sections };
}

/** What RFC 3501 has beside sections. */
const OLD: readonly (Section & { readonly peek: boolean })[] = [
  { label: "RFC822", what: "ALL", path: [], fields: [], partial: null, peek: false },
  { label: "RFC822.HEADER", what: "HEADER", path: [], fields: [], partial: null, peek: true },
  { label: "RFC822.TEXT", what: "TEXT", path: [], fields: [], partial: null, peek: false },
];

/** `(CHANGEDSINCE n [VANISHED])`. */
function readModifiers(args: ImapParser): { since: number; vanished: boolean } {
  let since: number | null = null;
  let vanished = false;
  args.list(() => {
    const word = args.word();
    if (word === "CHANGEDSINCE") {
      args.space();
      since = args.number();
    } else if (word === "VANISHED") vanished = true;
    else throw bad(`FETCH has no ${word}`);
  });
  if (since === null) throw bad("CHANGEDSINCE is missing");
  return { since, vanished };
}

/** What is asked, and the flags where those have just been changed. */
function withFlags(asked: Asked, changed: boolean): Asked {
  return changed ? { ...asked, simple: new Set([...asked.simple, "FLAGS"]) } : asked;
}

/**
 * Marks what is about to be read as seen, and gives back the UIDs of what was not; where that cannot be
 * done now, it is read all the same.
 */
async function markSeen(
  context: Context,
  positions: readonly number[],
): Promise<ReadonlySet<number>> {
  const { selected, store } = context;
  const unseen = positions.flatMap((i) => selected.at(i) ?? [])
    .filter(({ flags }) => !flags.includes("\\Seen"));
  if (unseen.length === 0) return new Set();
  try {
    await store.flag(unseen.map(({ key }) => key), ["\\Seen"], [], null);
  } catch (error) {
    if (!(error instanceof ImapError)) throw error;
    return new Set();
  }
  const uids = new Set(unseen.map(({ uid }) => uid));
  const view = await context.mailbox(selected.name);
  selected.tellFlags(store.keywords(), context.output);
  selected.learn(
    new Map(view.messages.filter(({ uid }) => uids.has(uid)).map((one) => [one.uid, one])),
  );
  return uids;
}

/** Whether anything is asked for beside what the list of messages has. */
function needsHead({ simple, sections }: Asked): boolean {
  return sections.length > 0 ||
    (["INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE"] as const)
      .some((item) => simple.has(item));
}

async function orProblem<T>(work: Promise<T>): Promise<T | ImapError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ImapError) return error;
    throw error;
  }
}

/**
 * Sends one FETCH response; or gives back why there is none. `alone`: its message is all that is asked
 * for, and how much of it is there is told meanwhile, in KiB.
 */
async function tell(
  context: Context,
  position: number,
  message: PlacedMessage,
  head: MessageHead | null,
  asked: Asked,
  alone: boolean,
): Promise<ImapError | null> {
  const { simple, sections } = asked;
  const opening = (done: number, size: number) => {
    if (alone) context.progress(Math.floor(done / 1024), Math.ceil(size / 1024));
  };
  let source: MessageSource | null = null;
  try {
    const open = async () => source ??= await context.store.open(message.key, opening);
    const items = simpleItems(message, simple);
    if (head) {
      if (simple.has("INTERNALDATE")) items.push(`INTERNALDATE ${internalDate(head.receivedAt)}`);
      if (simple.has("RFC822.SIZE")) items.push(`RFC822.SIZE ${head.size}`);
      if (simple.has("ENVELOPE")) {
        items.push(`ENVELOPE ${formatEnvelope(headerFields(head.fields.join("\r\n")))}`);
      }
    }
    for (const item of ["BODY", "BODYSTRUCTURE"] as const) {
      if (!simple.has(item)) continue;
      const structure = await (await open()).structure();
      items.push(`${item} ${formatStructure(structure, item === "BODYSTRUCTURE")}`);
    }
    const found: [string, SectionBytes | null][] = [];
    for (const section of sections) {
      const known = head && fromHead(section, head);
      const all = known ? whole(known) : await fromMessage(section, await open());
      const { label, partial } = section;
      found.push([
        partial ? `${label}<${partial[0]}>` : label,
        all && partOf(all, partial),
      ]);
    }
    context.output.begin(`* ${position + 1} FETCH (${items.join(" ")}`);
    let first = items.length === 0;
    for (const [label, section] of found) {
      context.output.raw(`${first ? "" : " "}${label} `);
      first = false;
      if (section) await sendLiteral(context, section);
      else context.output.raw("NIL");
    }
    context.output.end(")");
    return null;
  } catch (error) {
    if (error instanceof ImapError) return error;
    throw error;
  } finally {
    await (source as MessageSource | null)?.[Symbol.asyncDispose]();
  }
}

function simpleItems(message: PlacedMessage, simple: ReadonlySet<Simple>): string[] {
  const items: string[] = [];
  if (simple.has("UID")) items.push(`UID ${message.uid}`);
  if (simple.has("FLAGS")) items.push(`FLAGS (${message.flags.join(" ")})`);
  if (simple.has("MODSEQ")) items.push(`MODSEQ (${message.modseq})`);
  if (simple.has("EMAILID")) items.push(`EMAILID (${message.emailId})`);
  if (simple.has("THREADID")) items.push("THREADID NIL");
  return items;
}

async function sendLiteral({ output }: Context, { size, bytes }: SectionBytes): Promise<void> {
  output.raw(`{${size}}\r\n`);
  let sent = 0;
  try {
    for await (const piece of passing(bytes)) {
      output.bytes(piece);
      sent += piece.length;
      await output.drain();
    }
  } catch (error) {
    if (!(error instanceof ImapError)) throw error;
  }
  // What was announced cannot be taken back.
  if (sent !== size) throw new ImapBye("a message could not be read to its end");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A time as `date-time` (RFC 9051, section 9), in UTC. */
export function internalDate(at: number): string {
  const [, year, month, day, time] = /^(\d{4})-(\d\d)-(\d\d)T([\d:]{8})/
    .exec(new Date(at).toISOString()) ?? [];
  return `"${day}-${MONTHS[Number(month) - 1]}-${year} ${time} +0000"`;
}
