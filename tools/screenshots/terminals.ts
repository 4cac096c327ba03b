// Plays scenes of docs/USING.md on real terminals with a real server, and writes what they show to
// docs/images: NAME.light.svg and NAME.dark.svg.

import { join } from "@std/path";
import { ROOT } from "../release/build.ts";
import { People, PROGRAM } from "./people.ts";
import { Stage } from "./stage.ts";
import { THEMES, toSvg } from "./svg.ts";

const IMAGES = join(ROOT, "docs", "images");

let wanted: readonly string[] = [];
let people: People;
const home = (name: string) => people.home(name);
const as = (name: string, args: readonly string[], input?: string) => people.as(name, args, input);

/** Opens a terminal of `name`. */
function stage(name: string, columns = 80, rows = 24): Promise<Stage> {
  return Stage.open({
    cwd: home(name),
    program: [PROGRAM.command, ...PROGRAM.args].map((word) => `'${word}'`).join(" "),
    env: { HOME: home(name), LANG: "C.UTF-8", EDITOR: "", PAGER: "cat" },
    columns,
    rows,
  });
}

/** Writes what is on the screen, under `name`. */
async function take(screen: Stage, name: string, title: string): Promise<void> {
  if (wanted.length > 0 && !wanted.includes(name)) return;
  const lines = await screen.picture([
    [people.address, "mail.lan:13000"],
    [join(people.folder, "home"), "/home"],
    ['"deno task ', '"sealpost '],
    ["deno task ", "sealpost "],
  ]);
  for (const [kind, theme] of Object.entries(THEMES)) {
    await Deno.writeTextFile(
      join(IMAGES, `${name}.${kind}.svg`),
      toSvg(lines, screen.columns, theme, title),
    );
  }
  console.log(`${name}: ${lines.length} lines`);
}

async function invite(): Promise<string> {
  await using screen = await stage("olga");
  await screen.run("sealpost user add alice --invite");
  await take(screen, "invite", "An invitation, made on the server");
  const lines = (await screen.text()).split("\n");
  const from = lines.findIndex((line) => line.startsWith("-----BEGIN"));
  const to = lines.findIndex((line) => line.startsWith("-----END"));
  return `${lines.slice(from, to + 1).join("\n")}\n`;
}

async function setup(invitation: string): Promise<void> {
  await Deno.mkdir(home("alice"), { recursive: true });
  await using screen = await stage("alice", 86, 48);
  await screen.enter("sealpost setup");
  await screen.shows(">");
  await screen.paste(invitation);
  await screen.shows("):");
  await screen.enter("");
  await screen.shows("(Enter for none):");
  await screen.enter("");
  await screen.shows("New password:");
  await screen.enter("the password of alice");
  await screen.shows("The same again:");
  await screen.enter("the password of alice");
  await screen.shows("(y/N)");
  await screen.enter("n");
  await screen.shows("\n$");
  await take(screen, "setup", "sealpost setup, from the invitation to the first message");
}

/** Some mail for alice. */
async function correspond(): Promise<void> {
  const scan = new Uint8Array(420_000);
  for (const name of ["bob", "carol"]) {
    await Deno.writeFile(join(home(name), "scan-2026-11.png"), scan);
  }
  await as(
    "alice",
    ["send", "-t", "bob,carol", "-s", "Samples of last week"],
    "Are they labelled?\n",
  );
  await as("bob", ["status"]);
  const letters: readonly (readonly [string, string, string, readonly string[]])[] = [
    ["carol", "Ward round on Monday", "Half an hour earlier, please.\n", []],
    ["bob", "Re: Samples of last week", "All but two. List follows.\n", []],
    ["carol", "Grüße aus Łódź", "Back on Wednesday. 🙂\n", []],
    [
      "bob",
      "Results and the scan",
      "Dear Alice,\n\nthe second series agrees with the first; see the scan. Line 14 is the one\n" +
      "that we talked about.\n\nBob\n",
      ["-a", "scan-2026-11.png"],
    ],
  ];
  for (const [name, title, text, more] of letters) {
    await as(name, ["send", "-t", "alice", "-s", title, ...more], text);
  }
}

async function commands(): Promise<void> {
  await using screen = await stage("alice");
  await screen.run("sealpost inbox");
  const [, id = ""] = /^(\w{8}) .*Results and the scan/m.exec(await screen.text()) ?? [];
  await screen.run(`sealpost read ${id.slice(0, 4)} --save scans`);
  await take(screen, "inbox", "sealpost inbox and sealpost read");
  await screen.clear();
  await screen.run("sealpost send -t bob -s Thanks -a scans/scan-2026-11.png < letter.txt");
  await screen.run("sealpost search scan");
  await take(screen, "send", "sealpost send and sealpost search");
}

async function verify(): Promise<void> {
  await using screen = await stage("alice", 80, 40);
  await screen.enter("sealpost keys verify bob");
  await screen.shows(")");
  await take(screen, "verify", "sealpost keys verify: the safety number and its code");
  await screen.enter("yes");
  await screen.shows("\n$");
}

/** The full-screen program, from the list over a message and an answer to the contacts. */
async function mailProgram(): Promise<void> {
  await using screen = await stage("alice");
  await screen.enter("sealpost connect");
  await screen.shows("Welcome to Sealpost", "anywhere");
  await screen.shows("Results and the scan", "anywhere");
  await screen.press("Home");
  await screen.shows("5 (3 new)  ", "anywhere");
  await take(screen, "list", "sealpost connect: the messages of a folder");
  await screen.press("Enter");
  await screen.shows("Line 14 is the one", "anywhere");
  await take(screen, "reader", "sealpost connect: a message");
  await screen.press("r");
  await screen.shows("Re: Results and the scan", "anywhere");
  await screen.type("Dear Bob, thank you! I agree about line 14.");
  await screen.shows("I agree about line 14.", "anywhere");
  await take(screen, "compose", "sealpost connect: an answer");
  await screen.press("C-x");
  await screen.shows("Sent to bob", "anywhere");
  await screen.press("q");
  await screen.shows("Welcome to Sealpost", "anywhere");
  await screen.press("C");
  await screen.shows(" Sealpost  Contacts", "anywhere");
  await screen.shows("carol", "anywhere");
  await take(screen, "contacts", "sealpost connect: contacts, and whether their keys are verified");
  await screen.press("q");
  await screen.shows("Welcome to Sealpost", "anywhere");
  await screen.press("?");
  await screen.shows("to the first", "anywhere");
  await take(screen, "help", "sealpost connect: what the keys do");
}

/** The same on a wide terminal. */
async function wide(): Promise<void> {
  await using screen = await stage("alice", 120, 30);
  await screen.enter("sealpost connect");
  await screen.shows("Welcome to Sealpost", "anywhere");
  await screen.shows("5 (2 new)  ", "anywhere");
  await take(screen, "wide", "sealpost connect on a wide terminal");
}

/** Takes the pictures of `names`; all of them if none are named. */
export async function takeTerminals(names: readonly string[]): Promise<void> {
  wanted = names;
  await using group = await People.start();
  people = group;
  await Deno.mkdir(IMAGES, { recursive: true });
  await Deno.mkdir(home("alice"), { recursive: true });
  await setup(await invite());
  for (const name of ["bob", "carol"]) await people.join(name);
  await correspond();
  await Deno.writeTextFile(join(home("alice"), "letter.txt"), "Thank you!\n");
  const listed: { short: string; subject: string }[] = JSON.parse(
    await as("alice", ["inbox", "--json"]),
  );
  for (const { short, subject } of listed) {
    if (/Ward|Welcome/.test(subject)) await as("alice", ["mark", short, "--set", "seen"]);
  }
  await mailProgram();
  await wide();
  await commands();
  await verify();
}
