// What one machine of a person knows of others, the person's other machines know too.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { copyFolder } from "../support/filled_store.ts";
import { join } from "@std/path";
import { formatFingerprint } from "../../crypto/identity.ts";
import { makeGroup } from "../support/group_folder.ts";
import { identityOf } from "../support/identities.ts";
import { ServerProcess } from "../support/program.ts";
import { openSession } from "../support/session.ts";
import { testInFull } from "../support/full.ts";

testInFull(
  "pins and verifications of one machine are there on the other, and doubt wins",
  async (t) => {
    const { dir, remove } = await makeGroup(["alice", "bob", "carol"]);
    try {
      await copyFolder(join(dir, "alice"), join(dir, "laptop"));
      const server = await ServerProcess.start({ cwd: dir });
      try {
        const open = (own: string, name = "alice") => openSession(dir, name, server.address, own);
        for (const name of ["bob", "carol"]) await (await open(name, name)).mail.close();
        const [first, second] = [(await open("alice")).mail, (await open("laptop")).mail];
        const told: string[] = [];
        first.shared.onNotice = second.shared.onNotice = (line) => told.push(line);
        const [bob, carol] = [(await identityOf("bob")).bundle, (await identityOf("carol")).bundle];
        const share = async () => {
          for (const mail of [first, second, first, second]) await mail.shareTrust();
        };
        const states = (name: string) =>
          [first, second].map(({ people }) => {
            const pin = people.pins.get(name);
            return pin &&
              [formatFingerprint(pin.fp), pin.verified?.how ?? null, pin.unconfirmed !== null];
          });
        const both = (fp: typeof bob.fp, how: string | null, waits = false) => {
          return Array(2).fill([formatFingerprint(fp), how, waits]);
        };

        await t.step("a pin and its verification come over", async () => {
          await first.people.find(["bob"]);
          await first.people.pins.verify("bob", bob.fp, "in-person");
          await second.people.find(["carol"]);
          await share();
          assertEquals(states("bob"), both(bob.fp, "in-person"));
          assertEquals(states("carol"), both(carol.fp, null));
          assertEquals(told, []);
        });

        await t.step("what both changed since they agreed: doubt before verified", async () => {
          await first.people.pins.revokeVerification("bob");
          await second.people.pins.verify("carol", carol.fp, "by-file");
          await share();
          assertEquals(states("bob"), both(bob.fp, null));
          assertEquals(states("carol"), both(carol.fp, "by-file"));
          // At once: one machine verifies anew, the other takes it back again.
          await first.people.pins.verify("carol", carol.fp, "in-person");
          await second.people.pins.revokeVerification("carol");
          await share();
          assertEquals(states("carol"), both(carol.fp, null));
        });

        await t.step(
          "a key that the person replaced at one machine is replaced at the other",
          async () => {
            // The first knew another key, and its person took the one of now.
            const dave = (await identityOf("server")).bundle;
            await first.people.pins.trustOnFirstUse("dave", dave);
            await second.people.pins.trustOnFirstUse("dave", dave);
            await first.people.pins.replace("bob", bob);
            await share();
            assertEquals(states("dave"), both(dave.fp, null));
            assertEquals(told, []);
          },
        );

        await t.step(
          "two keys of one name: nothing goes out under either, and it is said",
          async () => {
            const [one, other] = [
              (await identityOf("erin")).bundle,
              (await identityOf("frank")).bundle,
            ];
            await first.people.pins.trustOnFirstUse("erin", one);
            await second.people.pins.trustOnFirstUse("erin", other);
            await share();
            const [ours, theirs] = [first, second].map(({ people }) => people.pins.get("erin"));
            assertEquals(
              [ours?.fp, theirs?.fp],
              [one.fp, other.fp],
              "no key is replaced in silence",
            );
            assertEquals(theirs?.unconfirmed !== null, true);
            assertStringIncludes(told.join("\n"), "know different keys of erin");
          },
        );
        await first.close();
        await second.close();
      } finally {
        await server.stop();
      }
    } finally {
      await remove();
    }
  },
);
