import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { SealpostError } from "../../../crypto/error.ts";
import { findSettings } from "../../../server/settings/environment.ts";
import {
  formatSettingDuration,
  parseDuration,
  propertyOf,
} from "../../../server/settings/setting_values.ts";
import {
  LiveSettings,
  loadSettings,
  settingsWith,
  showSettings,
} from "../../../server/settings/settings.ts";
import { parseSettingsFile, SETTINGS_FILE } from "../../../server/settings/settings_file.ts";
import {
  GROUPS,
  type Setting,
  SETTINGS,
  variableOf,
} from "../../../server/settings/settings_table.ts";
import { inFolder } from "../../support/command.ts";
import { readDocument, settingsTables } from "../../support/settings_doc.ts";

const MIB = 2 ** 20;

/** The code and message that settings from these sources are refused with. */
async function complaint(
  toml: string,
  flags: Record<string, string> = {},
  variables: Record<string, string> = {},
): Promise<string> {
  let said = "";
  await inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, SETTINGS_FILE), toml);
    const error = await assertRejects(async () => {
      const { given } = findSettings(variables, []);
      await loadSettings(dir, { flags: new Map(Object.entries(flags)), environment: given });
    }, SealpostError);
    said = `${error.code}: ${error.message.replace(`${dir}/`, "")}`;
    assert(!said.includes("\n"), said);
  });
  return said;
}

Deno.test("the command line goes before the environment, that before the file, that before defaults", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(
      join(dir, SETTINGS_FILE),
      '# ours\nmax-message = "2MiB"\nquota = "3GiB"\nmessages-per-minute = 7\n',
    );
    const settings = await loadSettings(dir, {
      flags: new Map([["max-message", "4MiB"]]),
      environment: new Map([["max-message", "3MiB"], ["quota", "off"]]),
    });
    const { maxMessage, quota, messagesPerMinute, maxRecipients } = settings.values;
    assertEquals([maxMessage, quota, messagesPerMinute, maxRecipients], [
      4 * MIB,
      Infinity,
      7,
      100,
    ]);
    const origin = (name: string) => settings.all.get(name)?.origin;
    assertEquals(["max-message", "quota", "messages-per-minute", "max-recipients"].map(origin), [
      "--max-message",
      "SEALPOST_QUOTA",
      "sealpost.toml:4",
      "default",
    ]);
  }));

Deno.test("where there is no file, all is as in the table", () =>
  inFolder(async (dir) => {
    const { values, all } = await loadSettings(dir);
    assertEquals(values, settingsWith());
    assertEquals(all.size, SETTINGS.length);
    assertEquals(values.listen, { host: "0.0.0.0", port: 13000 });
    assertEquals(values.perSourceNetblock, { v4: 32, v6: 64 });
    assertEquals([values.penalties, values.penaltyGrowth, values.penaltyThreshold], [
      true,
      2,
      15_000,
    ]);
    assertEquals(values.penaltyExempt.map(({ family, bits }) => [family, bits]), [[4, 8], [
      6,
      128,
    ]]);
    assertEquals([values.expireTrash, values.expireRead], [Infinity, Infinity]);
    assertEquals(values.metrics, null);
  }));

Deno.test("the file may have numbers, truth and lists where they say the same", () => {
  const text = [
    "max-message = 2097152",
    "stop-timeout = 5",
    "penalties = false",
    "quota = false",
    'penalty-exempt = ["10.0.0.0/8",',
    '  "::1"]  # two lines',
    '"idle-timeout" = """1h"""',
    "public-address = []",
  ].join("\n");
  assertEquals(parseSettingsFile(text, "x"), [
    { key: "max-message", text: "2097152", line: 1 },
    { key: "stop-timeout", text: "5", line: 2 },
    { key: "penalties", text: "off", line: 3 },
    { key: "quota", text: "off", line: 4 },
    { key: "penalty-exempt", text: "10.0.0.0/8,::1", line: 5 },
    { key: "idle-timeout", text: "1h", line: 7 },
    { key: "public-address", text: "off", line: 8 },
  ]);
});

Deno.test("a wrong name or value is refused wherever it stands, with the place and the way out", async () => {
  const cases: readonly (readonly [
    RegExp,
    string,
    Record<string, string>?,
    Record<string, string>?,
  ])[] = [
    [
      /^config: sealpost\.toml:2: there is no setting "max-mesage"; did you mean max-message\?$/,
      "# x\nmax-mesage = 1",
    ],
    [
      /^config: sealpost\.toml:4: there is no setting "colour"; serve --help lists them$/,
      'penalty-exempt = [\n"::1",\n]\ncolour = 1',
    ],
    [/^config: sealpost\.toml:1: there is no setting "limits"/, "[limits]\nquota = 1"],
    [/^config: sealpost\.toml:3: .+/, "quota = 0\n\nquota = 0"],
    [/^config: sealpost\.toml:1: .+/, "quota = "],
    [/^config: sealpost\.toml:1: quota: settings are texts or numbers$/, "quota = 2026-01-01"],
    [/^config: sealpost\.toml:1: quota: "1GB" is not a size: .*, or off$/, 'quota = "1GB"'],
    [
      /^config: sealpost\.toml:1: max-recipients: "256" is not a whole number from 1 to 255$/,
      "max-recipients = 256",
    ],
    [
      /^config: sealpost\.toml:1: max-recipients: "off" is not a whole number/,
      'max-recipients = "off"',
    ],
    [
      /^config: sealpost\.toml:1: stop-timeout: "1y" is not a duration from 0s to 1h, like/,
      'stop-timeout = "1y"',
    ],
    [/^config: sealpost\.toml:1: penalties: "yes" is not on or off$/, 'penalties = "yes"'],
    [/^config: sealpost\.toml:1: log: "xml" is not one of text, json$/, 'log = "xml"'],
    [
      /^config: sealpost\.toml:1: penalty-exempt: "10.0.0.0\/33" is not a network/,
      'penalty-exempt = "::1, 10.0.0.0/33"',
    ],
    [
      /^config: sealpost\.toml:1: per-source-netblock: "33:64" is not two numbers/,
      'per-source-netblock = "33:64"',
    ],
    [/^config: sealpost\.toml:1: listen: ".*" is not an address/, 'listen = "a b"'],
    [/^config: idle-timeout \(1m\) must be above ping-after \(2m\)/, 'idle-timeout = "1m"'],
    [/^config: penalty-threshold \(15s\) is above penalty-max \(10s\)/, 'penalty-max = "10s"'],
    [/^usage: --quota: "x" is not a size/, "", { quota: "x" }],
    [/^config: SEALPOST_QUOTA: "x" is not a size/, "", {}, { SEALPOST_QUOTA: "x" }],
    [/^config: SEALPOST_QUOTA: "" is not a size/, "", {}, { SEALPOST_QUOTA: "" }],
    [
      /^config: SEALPOST_MAX_MESAGE is not a setting; did you mean SEALPOST_MAX_MESSAGE\?$/,
      "",
      {},
      { SEALPOST_MAX_MESAGE: "1" },
    ],
    // What is overridden is checked all the same.
    [/^config: sealpost\.toml:1: quota/, 'quota = "x"', { quota: "1GiB" }],
  ];
  for (const [expected, toml, flags, variables] of cases) {
    assertMatch(await complaint(toml, flags, variables), expected);
  }
});

Deno.test("variables that begin like ours and are like no setting are named, not refused", () => {
  const variables = {
    SEALPOST_QUOTA: "1GiB",
    SEALPOST_PORT_13000_TCP: "tcp://10.0.0.1:13000",
    SEALPOST_PASSPHRASE: "x",
    HOME: "/",
  };
  const { given, ignored } = findSettings(variables, ["SEALPOST_PASSPHRASE"]);
  assertEquals([...given], [["quota", "1GiB"]]);
  assertEquals(ignored, ["SEALPOST_PORT_13000_TCP"]);
});

Deno.test("the settings as they are shown are a file that says the same", () =>
  inFolder(async (dir) => {
    const flags = new Map([
      ["quota", "off"],
      ["penalty-exempt", "10.0.0.0/8,::1"],
      ["penalties", "off"],
      ["penalty-crash", "1h30m"],
      ["metrics", "127.0.0.1:9464"],
      ["public-address", "mail.lan,[2001:db8::1]:13001"],
    ]);
    const settings = await loadSettings(dir, { flags });
    const shown = showSettings(settings);
    await Deno.writeTextFile(join(dir, SETTINGS_FILE), shown);
    const again = await loadSettings(dir);
    assertEquals(again.values, settings.values);
    assertEquals(
      [...again.all.values()].map(({ text }) => text),
      [...settings.all.values()].map(({ text }) => text),
    );
    assertMatch(shown, /^penalty-crash = "1h30m" +# --penalty-crash$/m);
    assertMatch(shown, /^penalties = false +# --penalties$/m);
    assertMatch(shown, /^max-recipients = 100 +# default$/m);
  }));

Deno.test("a reload applies what can change at once, and says what waits for a restart", () =>
  inFolder(async (dir) => {
    const write = (text: string) => Deno.writeTextFile(join(dir, SETTINGS_FILE), text);
    await write("max-recipients = 5");
    const live = await LiveSettings.load(dir, { flags: new Map([["quota", "1GiB"]]) });
    assertEquals(live.current.maxRecipients, 5);

    await write('max-recipients = 6\nquota = "2GiB"\nlisten = "127.0.0.1:1"\nexpire-trash = "30d"');
    assertEquals(await live.reload(), {
      applied: [
        { name: "max-recipients", from: "5", to: "6" },
        { name: "expire-trash", from: "off", to: "30d" },
      ],
      waiting: [{ name: "listen", from: "0.0.0.0:13000", to: "127.0.0.1:1" }],
    });
    const { maxRecipients, expireTrash, quota, listen } = live.current;
    assertEquals([maxRecipients, expireTrash, quota], [6, 30 * 86_400_000, 2 ** 30]);
    assertEquals(listen, { host: "0.0.0.0", port: 13000 });

    await write("max-recipients = x");
    await assertRejects(() => live.reload(), SealpostError, "sealpost.toml:1");
    assertEquals(live.current.maxRecipients, 6);
    await Deno.remove(join(dir, SETTINGS_FILE));
    assertEquals((await live.reload()).applied.map(({ name, to }) => [name, to]), [
      ["max-recipients", "100"],
      ["expire-trash", "off"],
    ]);
  }));

Deno.test("durations are read with their units, and written so", () => {
  assertEquals(parseDuration("90"), 90_000);
  assertEquals(parseDuration("1h30m"), 5_400_000);
  assertEquals(parseDuration("2w"), 14 * 86_400_000);
  for (const wrong of ["", "h", "1.5h", "1 h", "-1s", "1ms", "1h 30m", "s1"]) {
    assertEquals(parseDuration(wrong), null, wrong);
  }
  for (const text of ["0s", "1s", "1m30s", "2h", "1d1s", "365d"]) {
    assertEquals(formatSettingDuration(parseDuration(text) ?? -1), text);
  }
});

Deno.test("every setting is described, has a good default, and a name of its own in the program", () => {
  const all: readonly Setting[] = SETTINGS;
  assertEquals(new Set(all.map(({ name }) => propertyOf(name))).size, all.length);
  assertEquals([...new Set(all.map(({ group }) => group))], [...GROUPS]);
  for (const { name, help, about, kind, choices } of all) {
    assertMatch(name, /^[a-z]+(-[a-z]+)*$/);
    assertMatch(variableOf(name), /^SEALPOST_[A-Z_]+$/);
    assert(help.length > 10 && !help.includes("\n") && about.length > 10, name);
    assertEquals(choices !== undefined, kind === "choice", name);
  }
  assertThrows(() => parseSettingsFile("=", "x"), SealpostError);
});

Deno.test("docs/OPERATING.md has every setting as it is", async () => {
  const { tables } = await readDocument();
  assertEquals(tables, settingsTables());
});
