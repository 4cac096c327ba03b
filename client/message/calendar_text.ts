import type { Attendee, Calendar, CalendarEvent, CalendarPerson, Repeats } from "./calendar.ts";
import type { Moment } from "./calendar_time.ts";

/** How many people, days and characters of a description are shown of one event. */
const MAX_PEOPLE = 30;
const MAX_DAYS = 5;
const MAX_DESCRIPTION = 4000;

/** What a calendar is, by what it asks (RFC 5546, section 1.4). */
const METHODS: ReadonlyMap<string, string> = new Map([
  ["request", "an invitation"],
  ["cancel", "a cancellation"],
  ["reply", "an answer to an invitation"],
  ["counter", "a proposal for another time"],
  ["declinecounter", "a refusal of another time"],
  ["refresh", "a question for the newest version"],
  ["add", "an addition to a series"],
]);

/** What an answer says (RFC 5545, section 3.2.12). */
const ANSWERS: ReadonlyMap<string, string> = new Map([
  ["needs-action", "has not answered"],
  ["accepted", "comes"],
  ["declined", "does not come"],
  ["tentative", "may come"],
  ["delegated", "sends somebody else"],
]);

/**
 * What `calendar`, which is attachment `index`, says, as people read it who are in `zone`: lines, not yet
 * printable. All of it is what the file says, which nobody has signed apart from the message.
 */
export function calendarLines(calendar: Calendar, index: number, zone: string): string[] {
  const what = METHODS.get(calendar.method) ?? "a calendar";
  const lines = [`Attachment ${index} is ${what}:`];
  for (const event of calendar.events) {
    lines.push("");
    for (const [name, value] of eventFields(event, zone)) {
      for (const [i, part] of value.split(/\r?\n/).entries()) {
        const head = i === 0 && name !== "" ? `${name}:` : "";
        lines.push(`${head.padEnd(10)}${part}`.trimEnd());
      }
    }
  }
  if (calendar.more > 0) lines.push("", `(and ${calendar.more} more, which are in the file)`);
  return lines;
}

/** What is shown of an event: names, none for what goes on, and values. */
function eventFields(event: CalendarEvent, zone: string): [name: string, value: string][] {
  const fields: [string, string][] = [["What", event.summary || "(no title)"]];
  const state = event.status === "cancelled"
    ? "cancelled"
    : event.status === "tentative"
    ? "not certain yet"
    : "";
  if (state !== "") fields.push(["State", state]);
  for (const line of whenLines(event, zone)) fields.push([line.name, line.value]);
  if (event.location !== "") fields.push(["Where", event.location]);
  if (event.organizer) fields.push(["Who", `${personText(event.organizer)}, invites`]);
  const shown = event.attendees.slice(0, MAX_PEOPLE);
  for (const [i, one] of shown.entries()) {
    fields.push([i === 0 && !event.organizer ? "Who" : "", attendeeText(one)]);
  }
  const others = event.attendees.length - shown.length;
  if (others > 0) fields.push(["", `and ${others} others`]);
  if (event.url !== "") fields.push(["Link", event.url]);
  if (event.description !== "") {
    const cut = event.description.length > MAX_DESCRIPTION;
    const text = event.description.slice(0, MAX_DESCRIPTION).toWellFormed();
    fields.push(["About", cut ? `${text} …` : text]);
  }
  return fields;
}

function whenLines(event: CalendarEvent, zone: string): { name: string; value: string }[] {
  const { start, end, only } = event;
  const lines: { name: string; value: string }[] = [];
  const say = (name: string, value: string) => lines.push({ name, value });
  if (event.kind === "task") {
    if (start) say("From", momentText(start, zone));
    if (end) say("Due", momentText(end, zone));
  } else if (start) {
    say("When", spanText(start, end, zone));
    const there = thereText(start, end, zone);
    if (there !== null) say("", there);
  } else say("When", "(the file does not say it so that it can be read)");
  if (only) say("Only", `one of several, that of ${momentText(only, zone)}`);
  const repeats = event.repeats.map((rule) => repeatsText(rule, zone));
  if (repeats.length > 0) {
    const byDay = event.repeats.some(({ weekdays, monthDays }) => {
      return weekdays.length + monthDays.length > 0;
    });
    const there = byDay && start ? otherDays(start, zone) : null;
    say("Repeats", repeats.join("; and ") + (there === null ? "" : `; days as in ${there}`));
  }
  if (event.except.length > 0) say("Except", daysText(event.except, zone));
  if (event.also.length > 0) say("Also", daysText(event.also, zone));
  return lines;
}

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const CODES = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const MONTHS =
  "January February March April May June July August September October November December"
    .split(" ");

function dateText(date: Temporal.PlainDate): string {
  return `${WEEKDAYS[date.dayOfWeek - 1]} ${date.toString()}`;
}

function clockText(time: Temporal.PlainDateTime): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(time.hour)}:${two(time.minute)}`;
}

function timeText(time: Temporal.PlainDateTime): string {
  return `${dateText(time.toPlainDate())} ${clockText(time)}`;
}

/** The time that clocks in `zone` show at a moment; what has no zone is as it stands. */
function localOf(moment: Exclude<Moment, { kind: "date" }>, zone: string): Temporal.PlainDateTime {
  return moment.kind === "local"
    ? moment.local
    : moment.at.toZonedDateTimeISO(zone).toPlainDateTime();
}

/** In which zone what {@linkcode localOf} gives is to be read. */
function zoneText(moment: Moment, zone: string): string {
  if (moment.kind === "date") return "";
  if (moment.kind === "instant") return ` (${zone})`;
  return moment.zone === null ? "" : ` in a zone that is not known here, ${moment.zone}`;
}

function momentText(moment: Moment, zone: string): string {
  if (moment.kind === "date") return dateText(moment.date);
  return timeText(localOf(moment, zone)) + zoneText(moment, zone);
}

function spanText(start: Moment, end: Moment | null, zone: string): string {
  if (start.kind === "date") {
    if (end?.kind !== "date") return `${dateText(start.date)}, all day`;
    const days = end.date.since(start.date).days;
    const last = end.date.subtract({ days: 1 });
    return days <= 1
      ? `${dateText(start.date)}, all day`
      : `${dateText(start.date)} to ${dateText(last)}, ${days} days`;
  }
  if (end === null || end.kind === "date") return momentText(start, zone);
  return timesText(localOf(start, zone), localOf(end, zone)) + zoneText(start, zone);
}

function timesText(from: Temporal.PlainDateTime, to: Temporal.PlainDateTime): string {
  const sameDay = from.toPlainDate().equals(to.toPlainDate());
  return `${timeText(from)} to ${sameDay ? clockText(to) : timeText(to)}`;
}

/** The same in the zone in which it was meant; null if clocks there show the same. */
function thereText(start: Moment, end: Moment | null, zone: string): string | null {
  if (start.kind !== "instant" || start.there === null) return null;
  const { local, zone: there } = start.there;
  if (local.equals(localOf(start, zone))) return null;
  const until = end?.kind === "instant" ? end.there?.local : undefined;
  return `${until ? timesText(local, until) : timeText(local)} in ${there}`;
}

/** The zone in which it is another day when something begins; null if it is the same one. */
function otherDays(start: Moment, zone: string): string | null {
  if (start.kind !== "instant" || start.there === null) return null;
  const { local, zone: there } = start.there;
  return local.toPlainDate().equals(localOf(start, zone).toPlainDate()) ? null : there;
}

function daysText(moments: readonly Moment[], zone: string): string {
  const shown = moments.slice(0, MAX_DAYS).map((moment) => momentText(moment, zone));
  const others = moments.length - shown.length;
  return shown.join(", ") + (others > 0 ? ", and others" : "");
}

const UNITS: ReadonlyMap<string, string> = new Map([
  ["yearly", "year"],
  ["monthly", "month"],
  ["weekly", "week"],
  ["daily", "day"],
  ["hourly", "hour"],
  ["minutely", "minute"],
  ["secondly", "second"],
]);

function repeatsText(rule: Repeats, zone: string): string {
  const unit = UNITS.get(rule.frequency);
  if (unit === undefined) return "by a rule that is not known here";
  let text = rule.interval === 1 ? `every ${unit}` : `every ${rule.interval} ${unit}s`;
  if (rule.months.length > 0) {
    text += ` in ${rule.months.map((month) => MONTHS[month - 1] ?? `month ${month}`).join(", ")}`;
  }
  if (rule.monthDays.length > 0) {
    text += ` on ${rule.monthDays.map(monthDayText).join(", ")}`;
  }
  if (rule.weekdays.length > 0) text += ` on ${rule.weekdays.map(weekdayText).join(", ")}`;
  if (rule.count !== null) text += rule.count === 1 ? ", once" : `, ${rule.count} times`;
  if (rule.until) {
    const day = rule.until.kind === "date"
      ? rule.until.date
      : localOf(rule.until, zone).toPlainDate();
    text += `, until ${dateText(day)}`;
  }
  if (rule.more.length > 0) text += ` (the file says more: ${rule.more.join(", ")})`;
  return text;
}

function monthDayText(day: number): string {
  if (day > 0) return `day ${day}`;
  return day === -1 ? "the last day" : `the ${ordinal(-day)} to last day`;
}

function weekdayText(code: string): string {
  const [, which = "", day = ""] = /^([+-]?\d{1,2})?([A-Z]{2})$/.exec(code) ?? [];
  const name = WEEKDAYS[CODES.indexOf(day)];
  if (name === undefined) return code;
  const number = Number(which);
  if (number === 0) return name;
  if (number === -1) return `the last ${name}`;
  return number > 0 ? `the ${ordinal(number)} ${name}` : `the ${ordinal(-number)} to last ${name}`;
}

function ordinal(n: number): string {
  const tens = n % 100;
  const ending = tens > 10 && tens < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
  return `${n}${ending}`;
}

function personText({ name, address }: CalendarPerson): string {
  if (name === "" || name === address) return address || "somebody";
  return address === "" ? name : `${name} <${address}>`;
}

function attendeeText(one: Attendee): string {
  const answer = ANSWERS.get(one.answer) ?? one.answer;
  return `${personText(one)}, ${answer}${one.optional ? " (need not)" : ""}`;
}

/** A moment as programs read it. */
export type MomentForPrograms =
  /** `time` in UTC, ISO 8601; `local` is the same on the clocks of `zone`. */
  | { readonly time: string; readonly local: string | null; readonly zone: string | null }
  /** A time of the day, in a zone that is not known here, or in none. */
  | { readonly time: null; readonly local: string; readonly zone: string | null }
  | { readonly date: string };

/** What `calendar` says, as programs read it: as the file has it, but for times. */
export function calendarForPrograms(calendar: Calendar) {
  const moment = (one: Moment | null) => one && momentForPrograms(one);
  return {
    ...calendar,
    events: calendar.events.map((event) => ({
      ...event,
      start: moment(event.start),
      end: moment(event.end),
      only: moment(event.only),
      except: event.except.map(momentForPrograms),
      also: event.also.map(momentForPrograms),
      repeats: event.repeats.map((rule) => ({ ...rule, until: moment(rule.until) })),
    })),
  };
}

function momentForPrograms(moment: Moment): MomentForPrograms {
  switch (moment.kind) {
    case "date":
      return { date: moment.date.toString() };
    case "local":
      return { time: null, local: moment.local.toString(), zone: moment.zone };
    case "instant":
      return {
        time: moment.at.toString(),
        local: moment.there?.local.toString() ?? null,
        zone: moment.there?.zone ?? null,
      };
  }
}
