import ICAL from "ical.js";
import { later, type Moment, momentOf, type Observance, type Zones } from "./calendar_time.ts";

// Calendars in messages (RFC 5545, RFC 5546): what invitations are made of. Repeats are told and never
// expanded, so that no rule takes longer to show than it takes to read.

/** Largest calendar that is read, bytes: larger ones have files in them. */
export const MAX_CALENDAR = 256 * 1024;
/** How many events of one calendar are read. */
const MAX_EVENTS = 20;
/** How many other days of an event that repeats are read. */
const MAX_DATES = 20;

/** Somebody who is named in a calendar: as it says, which nobody has checked. */
export interface CalendarPerson {
  /** Empty if there is none. */
  readonly name: string;
  /** An address of mail, or what else there is; may be empty. */
  readonly address: string;
}

/** Somebody who is invited. */
export interface Attendee extends CalendarPerson {
  /** As the calendar writes it, in lower case: `accepted`, `declined`, `tentative`, `needs-action`. */
  readonly answer: string;
  readonly optional: boolean;
}

/** How often something comes again (RFC 5545, section 3.3.10), as far as it is told. */
export interface Repeats {
  /** In lower case: `daily`. */
  readonly frequency: string;
  readonly interval: number;
  /** `MO`, `-1FR`. */
  readonly weekdays: readonly string[];
  /** 1 to 31, -1 for the last. */
  readonly monthDays: readonly number[];
  readonly months: readonly number[];
  readonly count: number | null;
  readonly until: Moment | null;
  /** Names of parts of the rule that say more, in upper case. */
  readonly more: readonly string[];
}

/** One event, or one task. */
export interface CalendarEvent {
  readonly kind: "event" | "task";
  readonly summary: string;
  readonly description: string;
  readonly location: string;
  readonly url: string;
  /** As the calendar writes it, in lower case: `cancelled`, `tentative`; empty if it says nothing. */
  readonly status: string;
  readonly start: Moment | null;
  /** The end, which for dates is the day after the last; for a task, when it is due. */
  readonly end: Moment | null;
  readonly organizer: CalendarPerson | null;
  readonly attendees: readonly Attendee[];
  /** One for each rule; none if it does not come again. */
  readonly repeats: readonly Repeats[];
  /** Days on which it does not come, and others on which it does. */
  readonly except: readonly Moment[];
  readonly also: readonly Moment[];
  /** Which one of several it is, if it is about one. */
  readonly only: Moment | null;
}

/** What a calendar says. None of its texts is printable yet. */
export interface Calendar {
  /** What is asked, in lower case: `request`, `cancel`, `reply`; empty if it does not say. */
  readonly method: string;
  readonly events: readonly CalendarEvent[];
  /** How many more there are, that were not read. */
  readonly more: number;
}

/** Reads a calendar; null for what is none, or has no event and no task. Takes any input. */
export function readCalendar(text: string): Calendar | null {
  let parsed: unknown;
  try {
    parsed = ICAL.parse(text.replace(/^\ufeff/, ""));
  } catch {
    // What it throws for other input than calendars is of many kinds.
    return null;
  }
  const root = componentOf(parsed);
  const all = root ? [root] : componentsIn(parsed);
  const calendars = all.filter(({ name }) => name === "vcalendar");
  const [calendar] = calendars;
  if (!calendar) return null;
  const parts = calendars.flatMap(({ parts }) => parts);
  const zones = zonesOf(parts);
  const found = parts.filter(({ name }) => name === "vevent" || name === "vtodo");
  if (found.length === 0) return null;
  return {
    method: textOf(calendar, "method").toLowerCase(),
    events: found.slice(0, MAX_EVENTS).map((event) => readEvent(event, zones)),
    more: Math.max(0, found.length - MAX_EVENTS),
  };
}

/** A component as jCal has it (RFC 7265, section 3.3). */
interface Component {
  readonly name: string;
  readonly properties: readonly Property[];
  readonly parts: readonly Component[];
}

interface Property {
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly values: readonly unknown[];
}

/** `value` as a component, with those in it two levels deep, which is all that is looked at. */
function componentOf(value: unknown, depth = 2): Component | null {
  if (!Array.isArray(value)) return null;
  const [name, properties, parts]: unknown[] = value;
  if (typeof name !== "string" || !Array.isArray(properties) || !Array.isArray(parts)) return null;
  return {
    name,
    properties: properties.flatMap((one: unknown) => propertyOf(one) ?? []),
    parts: depth === 0 ? [] : componentsIn(parts, depth - 1),
  };
}

function componentsIn(values: unknown, depth = 2): Component[] {
  if (!Array.isArray(values)) return [];
  return values.flatMap((value: unknown) => componentOf(value, depth) ?? []);
}

function propertyOf(value: unknown): Property | null {
  if (!Array.isArray(value)) return null;
  const [name, params, type, ...values]: unknown[] = value;
  if (typeof name !== "string" || typeof type !== "string" || !isRecord(params)) return null;
  return { name, params, values };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function first({ properties }: Component, name: string): Property | null {
  return properties.find((property) => property.name === name) ?? null;
}

function valueOf(property: Property | null): string {
  const [value] = property?.values ?? [];
  return typeof value === "string" ? value : "";
}

function textOf(component: Component, name: string): string {
  return valueOf(first(component, name)).trim();
}

function param({ params }: Property, name: string): string {
  const value = Object.hasOwn(params, name) ? params[name] : "";
  return typeof value === "string" ? value : "";
}

function readEvent(event: Component, zones: Zones): CalendarEvent {
  const task = event.name === "vtodo";
  const organizer = first(event, "organizer");
  const moment = (name: string) => momentsOf(event, name, zones)[0] ?? null;
  const start = moment("dtstart");
  const end = moment(task ? "due" : "dtend");
  const duration = textOf(event, "duration");
  return {
    kind: task ? "task" : "event",
    summary: textOf(event, "summary"),
    description: textOf(event, "description"),
    location: textOf(event, "location"),
    url: textOf(event, "url"),
    status: textOf(event, "status").toLowerCase(),
    start,
    end: end ?? (start && duration !== "" ? later(start, duration) : null),
    organizer: organizer && personOf(organizer),
    attendees: event.properties.filter(({ name }) => name === "attendee").map((property) => ({
      ...personOf(property),
      answer: param(property, "partstat").toLowerCase() || "needs-action",
      optional: ["opt-participant", "non-participant"]
        .includes(param(property, "role").toLowerCase()),
    })),
    repeats: event.properties.filter(({ name }) => name === "rrule")
      .flatMap((property) => repeatsOf(property, zones) ?? []),
    except: momentsOf(event, "exdate", zones),
    also: momentsOf(event, "rdate", zones),
    only: moment("recurrence-id"),
  };
}

function personOf(property: Property): CalendarPerson {
  return {
    name: param(property, "cn").trim(),
    address: valueOf(property).trim().replace(/^mailto:/i, ""),
  };
}

/** The moments of all properties of a name, as many as are read. */
function momentsOf({ properties }: Component, name: string, zones: Zones): Moment[] {
  const found: Moment[] = [];
  for (const property of properties) {
    if (property.name !== name) continue;
    for (const value of property.values) {
      if (found.length === MAX_DATES) return found;
      const moment = typeof value === "string"
        ? momentOf(value, param(property, "tzid") || null, zones)
        : null;
      if (moment) found.push(moment);
    }
  }
  return found;
}

/** Parts of a rule that {@linkcode Repeats} has. `wkst` says on which day weeks begin. */
const TOLD = ["freq", "interval", "byday", "bymonthday", "bymonth", "count", "until", "wkst"];

function repeatsOf({ values: [rule] }: Property, zones: Zones): Repeats | null {
  if (!isRecord(rule) || typeof rule.freq !== "string") return null;
  const list = (value: unknown): unknown[] => {
    return Array.isArray(value) ? value : value === undefined ? [] : [value];
  };
  const numbers = (value: unknown) => list(value).filter((one) => typeof one === "number");
  const { interval, count, until } = rule;
  return {
    frequency: rule.freq.toLowerCase(),
    interval: typeof interval === "number" && interval > 0 ? interval : 1,
    weekdays: list(rule.byday).filter((day) => typeof day === "string").slice(0, MAX_DATES),
    monthDays: numbers(rule.bymonthday).slice(0, MAX_DATES),
    months: numbers(rule.bymonth).slice(0, MAX_DATES),
    count: typeof count === "number" ? count : null,
    until: typeof until === "string" ? momentOf(until, null, zones) : null,
    more: Object.keys(rule).filter((name) => !TOLD.includes(name)).slice(0, MAX_DATES)
      .map((name) => name.toUpperCase()),
  };
}

/** How many zones and changes of clocks are read: who defines more wants something else. */
const MAX_ZONES = 50;
const MAX_OBSERVANCES = 200;

function zonesOf(parts: readonly Component[]): Zones {
  const zones = new Map<string, readonly Observance[]>();
  for (const zone of parts.filter(({ name }) => name === "vtimezone").slice(0, MAX_ZONES)) {
    const read = zone.parts.slice(0, MAX_OBSERVANCES).map(observanceOf);
    // Of a zone of which a part is not understood, nothing is known.
    const all = read.filter((one) => one !== null);
    if (all.length === read.length) zones.set(textOf(zone, "tzid"), all);
  }
  return zones;
}

function observanceOf(part: Component): Observance | null {
  const start = momentsOf(part, "dtstart", new Map())[0];
  const before = secondsOf(textOf(part, "tzoffsetfrom"));
  const after = secondsOf(textOf(part, "tzoffsetto"));
  if (start?.kind !== "local" || before === null || after === null) return null;
  const rule = first(part, "rrule");
  const yearly = rule === null ? null : yearlyOf(rule);
  if (rule !== null && yearly === null) return null;
  return { start: start.local, before, after, yearly };
}

const WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/** When a change of clocks comes again; null for a rule that no zone has. */
function yearlyOf(rule: Property): Observance["yearly"] {
  const repeats = repeatsOf(rule, new Map());
  if (repeats?.frequency !== "yearly" || repeats.interval !== 1) return null;
  const { weekdays: [day = "", ...days], months: [month = 0, ...months], monthDays } = repeats;
  const [, week, weekday = ""] = /^(-?[1-5])([A-Z]{2})$/.exec(day) ?? [];
  const isPlain = days.length + months.length + monthDays.length + repeats.more.length === 0 &&
    repeats.count === null && month >= 1 && month <= 12;
  if (week === undefined || !WEEKDAYS.includes(weekday) || !isPlain) return null;
  const { until } = repeats;
  const year = until === null
    ? null
    : until.kind === "date"
    ? until.date.year
    : until.kind === "local"
    ? until.local.year
    : until.at.toZonedDateTimeISO("UTC").year;
  return { month, weekday: WEEKDAYS.indexOf(weekday) + 1, week: Number(week), until: year };
}

/** What the clocks are ahead of UTC, seconds; null for what is no offset. */
function secondsOf(offset: string): number | null {
  const [, sign, hours, minutes, seconds = "0"] =
    /^([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(offset) ?? [];
  if (sign === undefined) return null;
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" ? -size : size;
}
