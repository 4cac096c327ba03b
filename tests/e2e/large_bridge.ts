// A message of 1 GiB from one mail program to another by two bridges, with what it takes: also run by
// `deno task test:large`. It needs some 6 GB of disk and several minutes.

import { assert } from "@std/assert";
import { script, withBridges } from "../support/bridging.ts";
import { whyNo } from "../support/command.ts";
import { peakOf } from "../support/large.ts";
import { testUnless } from "../support/testing.ts";

const MIB = 2 ** 20;

/** Writes the message without holding it; MIBS is its size, but for the ends of lines. */
const WRITE = `printf '%s\\r\\n' 'Date: Sun, 22 Nov 2026 13:05:07 +0100' \\
  'From: alice@sealpost.invalid' 'To: bob@sealpost.invalid' 'Subject: large' \\
  'Message-ID: <large@example.org>' 'Content-Type: application/octet-stream' \\
  'Content-Transfer-Encoding: base64' '' > letter
head -c $((MIBS * 756 * 1024)) /dev/urandom | base64 | sed 's/$/\\r/' >> letter`;

/** curl waits two minutes for the answer to a message, msmtp as long as it takes. */
const SEND = "msmtp --host=127.0.0.1 --port=$SMTP --auth=plain --user=$USER --timeout=off " +
  "--passwordeval='echo $PASS' --tls=off --from=alice@sealpost.invalid bob@sealpost.invalid < letter";

const FETCH = 'curl -sS "imap://127.0.0.1:$IMAP/INBOX;UID=1" -u "$USER:$PASS" | ' +
  "tail -n +2 | cmp - letter";

testUnless(
  await whyNo("curl") ?? await whyNo("msmtp"),
  "a message of 1 GiB goes through two bridges byte for byte, in less than 220 MB each",
  () =>
    withBridges(async (group, alice, bob) => {
      await script(group, WRITE, { MIBS: "1024" });
      const { size } = await Deno.stat(group.path("letter"));
      const timed = async (line: string, variables: Record<string, string>) => {
        const start = performance.now();
        await script(group, line, variables);
        return `${((performance.now() - start) / 1000).toFixed(1)} s`;
      };
      const sent = await timed(SEND, alice.variables);
      const fetched = await timed(FETCH, bob.variables);
      console.log(
        `${(size / MIB).toFixed(0)} MiB: sent in ${sent}, fetched in ${fetched}`,
      );
      for (const { name, program } of [alice, bob]) {
        const peak = await peakOf(program.pid);
        console.log(`peak of memory of ${name}'s bridge: ${(peak / 1e6).toFixed(0)} MB`);
        assert(peak > 0 && peak < 220_000_000, `${peak} bytes`);
      }
    }, { serve: ["--max-message", "2GiB"] }),
);
