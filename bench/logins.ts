// How much many logins at once delay somebody who is logged in. The logins come from a process of
// their own with the least priority: on real ground they are other machines.
//
//   deno run --allow-read --allow-write --allow-env --allow-net=127.0.0.1 --allow-run \
//     bench/logins.ts [N] [--SETTING=VALUE …]

import { DEFAULT_ARGON2 } from "../crypto/argon2.ts";
import { generateIdentity } from "../crypto/identity.ts";
import { loadBundle } from "../files/key_files.ts";
import { passwordOf, ROOT } from "../tests/support/program.ts";
import { preseal, type Presealed, RawSession } from "../tests/support/raw_session.ts";
import { inPercentiles, Served, time } from "./serving.ts";
import { join } from "@std/path";

/** Sends that are timed without logins. */
const SENDS = 300;

/** Logs in `count` times at once; prints what each took. */
async function crowd(address: string, dir: string, count: number): Promise<void> {
  const bundle = await loadBundle(join(dir, "server_public.pem"));
  const identity = await generateIdentity({ rsaBits: 2048 });
  const person = { name: "crowd", identity, password: passwordOf("crowd") };
  const first = (await RawSession.logIn(address, bundle, person)).session;
  console.log("ready");
  await Deno.stdin.read(new Uint8Array(1));
  const sessions: RawSession[] = [];
  const failures: string[] = [];
  const times = await Promise.all(
    Array.from({ length: count }, () =>
      time(async () => {
        try {
          sessions.push((await RawSession.logIn(address, bundle, person)).session);
        } catch (error) {
          failures.push(String(error));
        }
      })),
  );
  console.log(`logins: ${inPercentiles(times)}; ${failures.length} failed ${failures[0] ?? ""}`);
  await Promise.all([first, ...sessions].map((session) => session.close()));
}

async function measure(count: number, settings: readonly string[]): Promise<void> {
  await using served = await Served.start(["alice", "bob", "crowd"], {
    rsaBits: 3072,
    cost: DEFAULT_ARGON2,
  }, settings);
  const alice = (await served.logIn("alice")).session;
  const bob = (await served.logIn("bob")).session;
  const pool: Presealed[] = [];
  for (let i = 0; i < 2 * SENDS; i++) {
    pool.push(await preseal(served.person("alice"), [served.person("bob")], 700));
  }
  const take = () => {
    const message = pool.pop();
    if (!message) throw new Error("out of messages");
    return message;
  };
  /** Sends, and asks, every 20 ms until `until`. */
  const timed = async (until: () => boolean) => {
    const [sends, asks]: [number[], number[]] = [[], []];
    while (!until() && pool.length > 0) {
      const message = take();
      sends.push(await time(() => alice.deliver(message)));
      asks.push(await time(() => alice.link.ask({ op: "whoami" })));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { sends, asks };
  };
  const show = (what: string, { sends, asks }: Awaited<ReturnType<typeof timed>>) => {
    console.log(`${what}: a send:    ${inPercentiles(sends)} (${sends.length})`);
    console.log(`${what}: a request: ${inPercentiles(asks)}`);
  };
  await timed(() => pool.length <= 2 * SENDS - 50); // So that everything is compiled.
  show("without logins", await timed(() => pool.length <= SENDS));

  const load = new Deno.Command("nice", {
    args: [
      "-n",
      "19",
      Deno.execPath(),
      "run",
      "--no-prompt",
      "--quiet",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-net=127.0.0.1",
      join(ROOT, "bench/logins.ts"),
      "--crowd",
      served.server.address,
      served.dir,
      String(count),
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const said = load.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await said.read();
  let over = false;
  const start = await served.usage();
  const from = performance.now();
  const input = load.stdin.getWriter();
  await input.write(new Uint8Array([10]));
  const finished = said.read().then(({ value }) => {
    over = true;
    return value;
  });
  const during = await timed(() => over);
  const result = await finished;
  const seconds = (performance.now() - from) / 1000;
  const { cpu, rss } = await served.usage();
  show(`with ${count} logins`, during);
  console.log(`${result?.trim()}; all in ${seconds.toFixed(1)} s`);
  const each = 1000 * (cpu - start.cpu) / count;
  console.log(`server: ${each.toFixed(0)} ms of CPU for each, ${(rss / 2 ** 20).toFixed(0)} MiB`);
  await input.close();
  await load.status;
  await Promise.all([alice.close(), bob.close()]);
}

const [first, ...rest] = Deno.args;
if (first === "--crowd") await crowd(rest[0] ?? "", rest[1] ?? "", Number(rest[2]));
else await measure(Number(first ?? 200), rest);
