// Holds many idle logged-in connections open, and measures what the server takes for them, and what
// one more client sees of them.
//
//   deno run --allow-read --allow-write --allow-env --allow-net=127.0.0.1 --allow-run bench/idle.ts [N]

import { preseal, type RawSession } from "../tests/support/raw_session.ts";
import { inPercentiles, Served, time } from "./serving.ts";

/** Sends that are timed before, and with the connections there. */
const SENDS = 200;
/** Logins that go on at a time. */
const CHAINS = 8;
/** How long the server is left alone, seconds. */
const PAUSE = 20;

const count = Number(Deno.args[0] ?? 5000);
const names = Array.from({ length: CHAINS }, (_, i) => `user${i}`);
await using served = await Served.start(["alice", "bob", ...names]);
const alice = (await served.logIn("alice")).session;
const bob = (await served.logIn("bob")).session;

/** How long each of many durable sends of 1 KB takes, milliseconds. */
async function sends(): Promise<number[]> {
  const messages = [];
  for (let i = 0; i < SENDS; i++) {
    messages.push(await preseal(served.person("alice"), [served.person("bob")], 700));
  }
  const times: number[] = [];
  for (const message of messages) times.push(await time(() => alice.deliver(message)));
  return times;
}

await sends(); // So that everything is compiled.
const before = await served.usage();
console.log(`server: ${mebibytes(before.rss)} MiB with 2 connections`);
console.log(`a send with 2 connections: ${inPercentiles(await sends())}`);

const idle: RawSession[] = [];
const from = performance.now();
await Promise.all(names.map(async (name) => {
  const { session, ticket } = await served.logIn(name);
  idle.push(session);
  let next = ticket;
  while (idle.length < count && next) {
    const resumed = await served.resume(name, next);
    if (!resumed) throw new Error("a ticket was not taken");
    idle.push(resumed);
    next = await resumed.nextTicket();
  }
}));
const seconds = (performance.now() - from) / 1000;
const speed = idle.length / seconds;
console.log(
  `${idle.length} resumed logins in ${seconds.toFixed(1)} s: ${speed.toFixed(0)} a second`,
);
const after = await served.usage();
const each = (after.rss - before.rss) / idle.length / 1024;
console.log(
  `server: ${mebibytes(after.rss)} MiB with ${idle.length + 2} connections, ` +
    `${each.toFixed(1)} KiB each`,
);
console.log(`a send with ${idle.length + 2} connections: ${inPercentiles(await sends())}`);
const start = await served.usage();
await new Promise((resolve) => setTimeout(resolve, 1000 * PAUSE));
const end = await served.usage();
const core = (end.cpu - start.cpu) / PAUSE;
console.log(
  `server: ${mebibytes(end.rss)} MiB after ${PAUSE} s idle, ${core.toFixed(2)} of a core`,
);
await Promise.all([alice, bob, ...idle].map((session) => session.close()));

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
