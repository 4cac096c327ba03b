import { assert, assertEquals } from "@std/assert";
import { readForDisplay, textWithCalendars } from "../../../client/mailbox/show.ts";
import { MAX_CALENDAR, readCalendar } from "../../../client/message/calendar.ts";
import { calendarForPrograms, calendarLines } from "../../../client/message/calendar_text.ts";
import { zoneHere } from "../../../client/message/calendar_time.ts";
import { TemporaryMessage } from "../../../client/message/temporary_message.ts";
import { utf8 } from "../../../crypto/bytes.ts";

/** A calendar of these lines, as it is in a file. */
function calendar(...lines: string[]): string {
  return ["BEGIN:VCALENDAR", "VERSION:2.0", ...lines, "END:VCALENDAR", ""].join("\r\n");
}

function event(...lines: string[]): string[] {
  return ["BEGIN:VEVENT", "SUMMARY:Meeting", ...lines, "END:VEVENT"];
}

/** What is shown of a calendar in `zone`; null if nothing is. */
function shown(text: string, zone = "Europe/Berlin"): string[] | null {
  const read = readCalendar(text);
  return read && calendarLines(read, 1, zone);
}

/** The value of what is shown as `name` of the first event. */
function field(name: string, text: string, zone?: string): string | undefined {
  return shown(text, zone)?.find((line) => line.startsWith(`${name}:`))?.slice(10);
}

/** Berlin's zone, as Outlook defines it. */
const OUTLOOK = [
  "BEGIN:VTIMEZONE",
  "TZID:W. Europe Standard Time",
  "BEGIN:STANDARD",
  "DTSTART:16010101T030000",
  "TZOFFSETFROM:+0200",
  "TZOFFSETTO:+0100",
  "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10",
  "END:STANDARD",
  "BEGIN:DAYLIGHT",
  "DTSTART:16010101T020000",
  "TZOFFSETFROM:+0100",
  "TZOFFSETTO:+0200",
  "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3",
  "END:DAYLIGHT",
  "END:VTIMEZONE",
];

Deno.test("an invitation says what, when, where, who and how often", () => {
  const text = calendar(
    "METHOD:REQUEST",
    ...OUTLOOK,
    ...event(
      'ORGANIZER;CN="Smith, Alice":mailto:alice@example.org',
      "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;CN=Bob:mailto:b",
      " ob@example.org",
      "ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=DECLINED:mailto:carol@example.org",
      "DESCRIPTION:First\\nSecond\\, with a comma",
      "RRULE:FREQ=WEEKLY;UNTIL=20261231T090000Z;INTERVAL=2;BYDAY=MO,TH;WKST=MO",
      "EXDATE;TZID=W. Europe Standard Time:20261224T100000",
      "DTSTART;TZID=W. Europe Standard Time:20261203T100000",
      "DTEND;TZID=W. Europe Standard Time:20261203T113000",
      "LOCATION:Room 5",
      "STATUS:TENTATIVE",
    ),
  );
  assertEquals(shown(text, "America/New_York"), [
    "Attachment 1 is an invitation:",
    "",
    "What:     Meeting",
    "State:    not certain yet",
    "When:     Thu 2026-12-03 04:00 to 05:30 (America/New_York)",
    "          Thu 2026-12-03 10:00 to 11:30 in W. Europe Standard Time",
    "Repeats:  every 2 weeks on Mon, Thu, until Thu 2026-12-31",
    "Except:   Thu 2026-12-24 04:00 (America/New_York)",
    "Where:    Room 5",
    "Who:      Smith, Alice <alice@example.org>, invites",
    "          Bob <bob@example.org>, has not answered",
    "          carol@example.org, does not come (need not)",
    "About:    First",
    "          Second, with a comma",
  ]);
  // Where the clocks show the same, nothing is said twice.
  assertEquals(shown(text)?.slice(4, 6), [
    "When:     Thu 2026-12-03 10:00 to 11:30 (Europe/Berlin)",
    "Repeats:  every 2 weeks on Mon, Thu, until Thu 2026-12-31",
  ]);
});

Deno.test("times are shown as the clocks here show them, whatever names their zone", () => {
  const cases = [
    ["DTSTART:20260701T100000Z", "Wed 2026-07-01 12:00 (Europe/Berlin)"],
    ["DTSTART;TZID=America/New_York:20260701T100000", "Wed 2026-07-01 16:00 (Europe/Berlin)"],
    ["DTSTART;TZID=/x.org/20250101_1/Asia/Tokyo:20260701T230000", "Wed 2026-07-01 16:00 (Eur"],
    ["DTSTART;TZID=W. Europe Standard Time:20260701T100000", "Wed 2026-07-01 10:00 (Eur"],
    // Clocks there go forward on the 29th of March, and back on the 25th of October.
    ["DTSTART;TZID=W. Europe Standard Time:20260329T033000", "Sun 2026-03-29 03:30 (Eur"],
    ["DTSTART;TZID=W. Europe Standard Time:20260329T013000", "Sun 2026-03-29 01:30 (Eur"],
    ["DTSTART;TZID=W. Europe Standard Time:20261025T040000", "Sun 2026-10-25 04:00 (Eur"],
    ["DTSTART;TZID=W. Europe Standard Time:20261024T040000", "Sat 2026-10-24 04:00 (Eur"],
    [
      "DTSTART;TZID=Nowhere:20260701T100000",
      "Wed 2026-07-01 10:00 in a zone that is not known " +
      "here, Nowhere",
    ],
    ["DTSTART:20260701T100000", "Wed 2026-07-01 10:00"],
    ["DTSTART;VALUE=DATE:20260701", "Wed 2026-07-01, all day"],
    ["DTSTART:20269901T100000", "(the file does not say it so that it can be read)"],
    ["DTSTART:tomorrow", "(the file does not say it so that it can be read)"],
    ["X-NO:1", "(the file does not say it so that it can be read)"],
  ] as const;
  for (const [start, when] of cases) {
    const found = field("When", calendar(...OUTLOOK, ...event(start)));
    assert(found?.startsWith(when), `${start}: ${found}`);
  }
  // A zone whose rules are others than zones have is not known, rather than computed wrongly.
  for (
    const rule of [
      "FREQ=DAILY;BYDAY=-1SU;BYMONTH=3",
      "FREQ=YEARLY;BYDAY=SU;BYMONTH=3",
      "FREQ=YEARLY;COUNT=3",
    ]
  ) {
    const zone = OUTLOOK.map((line) => line.startsWith("RRULE") ? `RRULE:${rule}` : line);
    const start = "DTSTART;TZID=W. Europe Standard Time:20260701T100000";
    assert(field("When", calendar(...zone, ...event(start)))?.includes("not known here"), rule);
  }
});

Deno.test("an event ends when it says, after what it lasts, or the day before for dates", () => {
  const cases = [
    [["DTSTART:20260701T100000Z", "DURATION:PT1H30M"], "Wed 2026-07-01 12:00 to 13:30"],
    [
      ["DTSTART:20260701T100000Z", "DTEND:20260702T100000Z"],
      "Wed 2026-07-01 12:00 to Thu 2026-07-02 12:00",
    ],
    [["DTSTART;VALUE=DATE:20260701", "DTEND;VALUE=DATE:20260702"], "Wed 2026-07-01, all day"],
    [
      ["DTSTART;VALUE=DATE:20260701", "DTEND;VALUE=DATE:20260704"],
      "Wed 2026-07-01 to Fri 2026-07-03, 3 days",
    ],
    [["DTSTART;VALUE=DATE:20260701", "DURATION:P2D"], "Wed 2026-07-01 to Thu 2026-07-02, 2 days"],
    [["DTSTART:20260701T100000Z", "DURATION:P999999999D"], "Wed 2026-07-01 12:00 (Europe/Berlin)"],
    [["DTSTART:20260701T100000Z", "DURATION:long"], "Wed 2026-07-01 12:00 (Europe/Berlin)"],
  ] as const;
  for (const [lines, when] of cases) {
    const found = field("When", calendar(...event(...lines)));
    assert(found?.startsWith(when), `${lines}: ${found}`);
  }
});

Deno.test("what a calendar asks, answers and takes back is said", () => {
  const cases = [
    ["METHOD:CANCEL", "a cancellation"],
    ["METHOD:REPLY", "an answer to an invitation"],
    ["METHOD:COUNTER", "a proposal for another time"],
    ["METHOD:PUBLISH", "a calendar"],
    ["X-NO:1", "a calendar"],
    ["METHOD:constructor", "a calendar"],
  ] as const;
  for (const [method, what] of cases) {
    assertEquals(shown(calendar(method, ...event()))?.[0], `Attachment 1 is ${what}:`);
  }
  assertEquals(field("State", calendar(...event("STATUS:CANCELLED"))), "cancelled");
  const odd = event("ATTENDEE;PARTSTAT=constructor:a", "RRULE:FREQ=DAILY;INTERVAL=2");
  assertEquals(field("Who", calendar(...odd)), "a, constructor");
  const reply = event("ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@example.org");
  assertEquals(field("Who", calendar("METHOD:REPLY", ...reply)), "bob@example.org, comes");
  const only = event("DTSTART:20260701T100000Z", "RECURRENCE-ID:20260630T100000Z");
  assertEquals(
    field("Only", calendar(...only)),
    "one of several, that of Tue 2026-06-30 12:00 (Europe/Berlin)",
  );
  const task = ["BEGIN:VTODO", "SUMMARY:Write", "DUE:20260701T100000Z", "END:VTODO"];
  assertEquals(field("Due", calendar(...task)), "Wed 2026-07-01 12:00 (Europe/Berlin)");
});

Deno.test("rules of repeats are put into words, and what has none is named", () => {
  const cases = [
    ["FREQ=DAILY", "every day"],
    ["FREQ=YEARLY;INTERVAL=2;BYMONTH=3,12", "every 2 years in March, December"],
    ["FREQ=MONTHLY;BYDAY=2TU,-1FR", "every month on the 2nd Tue, the last Fri"],
    ["FREQ=MONTHLY;BYMONTHDAY=1,-1,-2", "every month on day 1, the last day, the 2nd to last day"],
    ["FREQ=WEEKLY;COUNT=10", "every week, 10 times"],
    ["FREQ=WEEKLY;UNTIL=20261231", "every week, until Thu 2026-12-31"],
    ["FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1", "every month on Mon (the file says more: BYSETPOS)"],
  ] as const;
  for (const [rule, words] of cases) {
    assertEquals(field("Repeats", calendar(...event(`RRULE:${rule}`))), words);
  }
  const late = event("DTSTART;TZID=America/New_York:20260701T200000", "RRULE:FREQ=WEEKLY;BYDAY=WE");
  assertEquals(
    field("Repeats", calendar(...late)),
    "every week on Wed; days as in America/New_York",
  );
});

Deno.test("a calendar with a million of anything is shown as fast as it is read, and bounded", () => {
  const many = (line: string, count: number) => Array.from({ length: count }, () => line);
  const texts = [
    calendar(...event("DTSTART:20260101T100000Z", "RRULE:FREQ=SECONDLY;COUNT=1000000")),
    calendar(...event("DTSTART:20260101T100000Z", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")),
    calendar(...event(`EXDATE:${"20260101T100000Z,".repeat(12_000)}20260101T100000Z`)),
    calendar(...many("BEGIN:VEVENT\r\nEND:VEVENT", 9_000)),
    calendar(...event(...many("ATTENDEE:a", 18_000))),
    calendar(...event(`DESCRIPTION:${"a\\n".repeat(80_000)}`)),
    calendar(...event(`RRULE:FREQ=DAILY;BYDAY=${"MO,".repeat(80_000)}TU`)),
    calendar(...event(...many("RRULE:FREQ=DAILY", 9_000))),
    calendar(...many("BEGIN:VTIMEZONE\r\nTZID:x\r\nEND:VTIMEZONE", 5_000), ...event()),
    "BEGIN:VCALENDAR\r\n".repeat(15_000),
    `SUMMARY${";a=b".repeat(60_000)}:x`,
  ];
  for (const text of texts) {
    assert(text.length <= MAX_CALENDAR, text.slice(0, 80));
    const lines = shown(text) ?? [];
    assert(lines.length < 5_000 && lines.join("\n").length < 200_000, text.slice(0, 80));
  }
  assertEquals(readCalendar(texts[3] ?? "")?.more, 8_980);
});

Deno.test("what is no calendar, or a broken one, is none", () => {
  const texts = [
    "",
    "x",
    "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Bob\r\nEND:VCARD",
    calendar(),
    calendar("BEGIN:VEVENT"),
    calendar(...event("a line that is none")),
    "END:VCALENDAR",
    "[]",
  ];
  for (const text of texts) assertEquals(readCalendar(text), null, text);
});

Deno.test("programs get the times of a calendar in UTC, and as they were meant", () => {
  const read = readCalendar(calendar(
    "METHOD:REQUEST",
    ...event("DTSTART;TZID=Europe/Berlin:20261203T100000", "DTEND:20261203T103000Z"),
    ...event("DTSTART;VALUE=DATE:20261203", "DTEND;TZID=Nowhere:20261203T103000"),
  ));
  assert(read);
  const { method, events } = calendarForPrograms(read);
  assertEquals(method, "request");
  assertEquals(JSON.parse(JSON.stringify(events.map(({ start, end }) => [start, end]))), [
    [
      {
        time: "2026-12-03T09:00:00Z",
        local: "2026-12-03T10:00:00",
        zone: "Europe/Berlin",
      },
      { time: "2026-12-03T10:30:00Z", local: null, zone: null },
    ],
    [{ date: "2026-12-03" }, { time: null, local: "2026-12-03T10:30:00", zone: "Nowhere" }],
  ]);
});

Deno.test("an event that ends before it begins, at the beginning of all time, is shown without an end", () => {
  for (const duration of ["-P100000001D", "-P1D", "-PT1H"]) {
    const text = calendar(...event("DTSTART;VALUE=DATE:19700101", `DURATION:${duration}`));
    assertEquals(field("When", text), "Thu 1970-01-01, all day", duration);
  }
});

Deno.test("a machine whose zone nobody knows shows times in UTC", () => {
  assertEquals([zoneHere("Etc/Unknown"), zoneHere("Asia/Tokyo")], ["UTC", "Asia/Tokyo"]);
});

/** A message whose parts are these, each with its type and content. */
async function display(...parts: readonly (readonly [type: string, content: string])[]) {
  const text = ["Content-Type: multipart/mixed; boundary=b", ""];
  for (const [type, content] of parts) text.push("--b", `Content-Type: ${type}`, "", content);
  const bytes = utf8([...text, "--b--", ""].join("\r\n"));
  await using message = new TemporaryMessage(await Deno.makeTempDir());
  await message.write(bytes);
  await message.verified(bytes.length);
  return await readForDisplay(message);
}

Deno.test("a message shows its invitation once, below its text, and nothing that a terminal obeys", async () => {
  const text = calendar(...event("LOCATION:\x1b[2J\u202eRoom", "DTSTART:20261203T100000Z"));
  const message = await display(
    ["text/plain", "Hello"],
    ["text/calendar; method=REQUEST", text],
    ["application/octet-stream; name=invite.ics", text],
  );
  assertEquals(message.calendars.map(({ attachment }) => attachment), [1]);
  assertEquals(message.attachments.map(({ index }) => index), [1, 2]);
  const whole = textWithCalendars(message);
  assert(whole.startsWith("Hello\n\nAttachment 1 is a calendar:\n\nWhat:     Meeting\n"), whole);
  assert(whole.includes("Where:    \\x1b[2J\\u202eRoom"), whole);
});

Deno.test("a calendar that is too large or broken is told of and can be saved", async () => {
  const large = calendar(...event(`ATTACH:${"x".repeat(300 * 1024)}`));
  for (const text of [large, "BEGIN:VCALENDAR"]) {
    const { calendars, notes, attachments } = await display(["text/calendar", text]);
    assertEquals(calendars, []);
    assertEquals(notes, ["attachment 1 is a calendar that cannot be shown here; save it"]);
    assertEquals(attachments.length, 1);
  }
});
