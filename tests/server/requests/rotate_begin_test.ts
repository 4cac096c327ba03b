import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { toBase64 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { certify } from "../../../protocol/rotation.ts";
import { identityOf } from "../../support/identities.ts";
import { Serving } from "../../support/serving.ts";

Deno.test("a key is offered with the password only, and ten times a day at the most", async () => {
  await using serving = await Serving.start(["alice"]);
  const next = await identityOf("alice 2");
  const { session, ticket } = await serving.logIn("alice");
  const { identity } = session.person;
  const serverFp = serving.folder.bundle.fp;
  const certificate = await certify(
    { name: "alice", serverFp, seq: 1, time: Date.now() },
    identity,
    next,
  );
  const offer = {
    op: "rotate-begin",
    bundle: toBase64(encodeBundle(next.bundle)),
    certificate: toBase64(certificate),
  } as const;
  const refused = async (by: typeof session) => {
    return (await assertRejects(() => by.link.ask(offer), SealpostError)).code;
  };

  const resumed = ticket && await serving.resume("alice", ticket);
  assertEquals(resumed && await refused(resumed), "login-refused");

  const rotations = (times: readonly number[]) => {
    const db = new DatabaseSync(join(serving.folder.dir, "mail", "sealpost.db"));
    db.exec("DELETE FROM rotation");
    const add = db.prepare(
      "INSERT INTO rotation " +
        "(fp_old, fp_new, account_id, seq, at, certificate, bundle_old, bundle_new) " +
        "SELECT randomblob(32), randomblob(32), id, ?, ?, x'00', x'00', x'00' FROM account",
    );
    times.forEach((at, i) => add.run(i + 10, at));
    db.close();
  };
  const today = Array.from({ length: 9 }, () => Date.now());
  rotations([...today, Date.now() - 90_000_000]);
  await session.link.ask(offer);
  rotations([...today, Date.now()]);
  assertEquals(await refused(session), "limit");
});
