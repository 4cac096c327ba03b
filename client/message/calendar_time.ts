/**
 * When something in a calendar is. What has no zone, or one that nobody knows here, is at that time of the
 * day wherever it is meant.
 */
export type Moment =
  | { readonly kind: "date"; readonly date: Temporal.PlainDate }
  | {
    readonly kind: "instant";
    readonly at: Temporal.Instant;
    /** The time on the clocks of `zone`; null for UTC. */
    readonly there: { readonly local: Temporal.PlainDateTime; readonly zone: string } | null;
  }
  | {
    readonly kind: "local";
    readonly local: Temporal.PlainDateTime;
    /** What the zone is called that is not known; null for none. */
    readonly zone: string | null;
  };

/** A change of the clocks of a zone, or one that comes again every year (RFC 5545, section 3.6.5). */
export interface Observance {
  /** The first one, by the clocks before it. */
  readonly start: Temporal.PlainDateTime;
  /** What the clocks are ahead of UTC before and after it, seconds. */
  readonly before: number;
  readonly after: number;
  /** On which day of which month it comes again; null if it does not. */
  readonly yearly: {
    /** 1 to 12. */
    readonly month: number;
    /** 1 to 7, Monday first. */
    readonly weekday: number;
    /** 1 to 5 from the beginning of the month, -1 to -5 from its end. */
    readonly week: number;
    /** The last year; null if it goes on. */
    readonly until: number | null;
  } | null;
}

/** The zones that a calendar defines itself, by name. */
export type Zones = ReadonlyMap<string, readonly Observance[]>;

/**
 * The moment that `text` is, as jCal writes it (RFC 7265, section 3.6): a date or a time, that one in UTC
 * with `Z`, else in the zone `tzid`; null for what is none.
 */
export function momentOf(text: string, tzid: string | null, zones: Zones): Moment | null {
  try {
    if (/^\d{4}-\d\d-\d\d$/.test(text)) {
      return { kind: "date", date: Temporal.PlainDate.from(text) };
    }
    const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z?)$/.exec(text);
    if (match?.[1] === undefined) return null;
    const local = Temporal.PlainDateTime.from(match[1]);
    if (match[2] === "Z" || tzid === "UTC") {
      return { kind: "instant", at: local.toZonedDateTime("UTC").toInstant(), there: null };
    }
    if (tzid === null) return { kind: "local", local, zone: null };
    const known = knownZone(tzid);
    if (known !== null) {
      const at = local.toZonedDateTime(known).toInstant();
      return { kind: "instant", at, there: { local, zone: known } };
    }
    const ahead = offsetIn(zones.get(tzid) ?? [], local);
    if (ahead === null) return { kind: "local", local, zone: tzid };
    const at = local.subtract({ seconds: ahead }).toZonedDateTime("UTC").toInstant();
    return { kind: "instant", at, there: { local, zone: tzid } };
  } catch (error) {
    // A day or a time that there is not, or one that is too far away.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** `moment` and `duration` (ISO 8601) later; null for what is no duration, too long, or negative. */
export function later(moment: Moment, duration: string): Moment | null {
  try {
    const by = Temporal.Duration.from(duration);
    if (by.sign < 0) return null;
    switch (moment.kind) {
      case "date":
        return { kind: "date", date: moment.date.add(by) };
      case "local":
        return { ...moment, local: moment.local.add(by) };
      case "instant": {
        const relativeTo = Temporal.PlainDate.from("2001-01-01");
        const seconds = Math.round(by.total({ unit: "seconds", relativeTo }));
        return {
          kind: "instant",
          at: moment.at.add({ seconds }),
          there: moment.there && { ...moment.there, local: moment.there.local.add({ seconds }) },
        };
      }
    }
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * The zone of the tz database that a name of a calendar means, which may have its maker before it, as in
 * `/example.org/20250101/Europe/Berlin`; null if it means none.
 */
function knownZone(tzid: string): string | null {
  if (tzid.length > 200) return null;
  const parts = tzid.split("/").filter((part) => part !== "");
  for (const count of [parts.length, 3, 2]) {
    const name = parts.slice(-count).join("/");
    if (/^[A-Za-z][\w+-]*(?:\/[\w+-]+)*$/.test(name) && isZone(name)) return name;
  }
  return null;
}

/** The zone of this machine's clocks. With an empty `TZ`, `zone` is none that there is; that is UTC (POSIX). */
export function zoneHere(zone: string = Temporal.Now.timeZoneId()): string {
  return isZone(zone) ? zone : "UTC";
}

function isZone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}

/** How far the clocks are ahead of UTC at a time that they show, seconds; null if nothing says so. */
function offsetIn(zone: readonly Observance[], local: Temporal.PlainDateTime): number | null {
  let last: { readonly onset: Temporal.PlainDateTime; readonly after: number } | null = null;
  for (const one of zone) {
    for (const onset of onsets(one, local.year)) {
      if (Temporal.PlainDateTime.compare(onset, local) > 0) continue;
      if (last === null || Temporal.PlainDateTime.compare(onset, last.onset) > 0) {
        last = { onset, after: one.after };
      }
    }
  }
  if (last) return last.after;
  const [first] = zone.toSorted((a, b) => Temporal.PlainDateTime.compare(a.start, b.start));
  return first ? first.before : null;
}

/** The changes of the clocks that may be the last before the end of `year`. */
function onsets({ start, yearly }: Observance, year: number): Temporal.PlainDateTime[] {
  if (yearly === null) return [start];
  const last = Math.min(year, yearly.until ?? year);
  return [last - 1, last].flatMap((one) => {
    if (one <= start.year) return one === start.year ? [start] : [];
    const month = Temporal.PlainYearMonth.from({ year: one, month: yearly.month });
    const first = month.toPlainDate({ day: 1 });
    const day = yearly.week > 0
      ? 1 + (yearly.weekday - first.dayOfWeek + 7) % 7 + 7 * (yearly.week - 1)
      : lastWeekday(month, yearly.weekday) + 7 * (yearly.week + 1);
    if (day < 1 || day > month.daysInMonth) return [];
    return [month.toPlainDate({ day }).toPlainDateTime(start.toPlainTime())];
  });
}

/** The last day of a month that is a `weekday`. */
function lastWeekday(month: Temporal.PlainYearMonth, weekday: number): number {
  const last = month.toPlainDate({ day: month.daysInMonth });
  return month.daysInMonth - (last.dayOfWeek - weekday + 7) % 7;
}
