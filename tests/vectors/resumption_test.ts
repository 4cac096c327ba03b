import { assertEquals } from "@std/assert";
import { type Bytes, fromHex, toHex } from "../../crypto/bytes.ts";
import {
  ClientResumption,
  type ResumptionContext,
  ServerResumption,
  ticketOf,
} from "../../protocol/resumption.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { edited } from "./edits.ts";
import { readVectors, type ResumptionFile, type ResumptionVector } from "./files.ts";
import { withDraws } from "./fixed_random.ts";
import { Identities } from "./identities.ts";
import { resumptionByHand } from "./resumption_by_hand.ts";
import { assertSplit } from "./assert_split.ts";

const file = await readVectors<ResumptionFile>("resumption.json");
const identities = await Identities.load();

interface Ends {
  readonly client: ClientResumption;
  readonly server: ServerResumption;
}

async function ends(vector: ResumptionVector): Promise<Ends> {
  const server = await identities.get(vector.server);
  const client = await identities.get(vector.client);
  const known: ResumptionContext = {
    name: vector.user,
    client: client.bundle,
    server: server.bundle,
    ticket: fromHex(vector.ticket),
    psk: fromHex(vector.psk),
  };
  return {
    client: await ClientResumption.start(known, client),
    server: await ServerResumption.start(known, server),
  };
}

async function writeR1({ draws }: ResumptionVector, { client }: Ends): Promise<Bytes> {
  return await withDraws(
    [draws.xc, draws.ekSeed, draws.mServer].map(fromHex),
    () => client.writeR1(),
  );
}

async function writeR2({ draws, hello }: ResumptionVector, { server }: Ends): Promise<Bytes> {
  return await withDraws(
    [draws.xs, draws.mEphemeral, draws.mClient].map(fromHex),
    () => server.writeR2(JSON.parse(hello)),
  );
}

Deno.test("the vectors of resumptions: both sides write these messages and end with these keys", async () => {
  await forEachCase(file.resumptions, async (vector) => {
    const at = await ends(vector);
    const r1 = await writeR1(vector, at);
    assertEquals(toHex(r1), vector.messages.R1);
    assertEquals(toHex(ticketOf(r1)), vector.ticket);
    await at.server.readR1(r1);
    const r2 = await writeR2(vector, at);
    assertEquals(toHex(r2), vector.messages.R2);
    assertEquals(await at.client.readR2(r2), JSON.parse(vector.hello));
    await assertSplit(await at.client.split(), vector.split);
    await assertSplit(await at.server.split(), vector.split);
  });
});

Deno.test("the vectors of resumptions: the description gives every value of the transcript", async () => {
  await forEachCase(file.resumptions, async ({ draws, ...vector }) => {
    const made = await resumptionByHand(
      await identities.get(vector.server),
      await identities.get(vector.client),
      {
        xc: fromHex(draws.xc),
        xs: fromHex(draws.xs),
        ekSeed: fromHex(draws.ekSeed),
        mServer: fromHex(draws.mServer),
        mEphemeral: fromHex(draws.mEphemeral),
        mClient: fromHex(draws.mClient),
      },
      { name: vector.user, id: fromHex(vector.ticket), psk: fromHex(vector.psk) },
      vector.hello,
    );
    assertEquals(made.steps, vector.steps);
    assertEquals(toHex(made.split.exporter), vector.split.exporterInput);
    assertEquals(toHex(made.split.h), vector.split.h);
  });
});

Deno.test("the vectors of resumptions: every malformed message is refused by its reader", async () => {
  await forEachRefused(file.malformed, async ({ base, message, edits }) => {
    const vector = file.resumptions.find(({ name }) => name === base);
    if (!vector) throw new Error(`there is no resumption ${base}`);
    const at = await ends(vector);
    const r1 = await writeR1(vector, at);
    if (message === "R1") return await at.server.readR1(edited(r1, edits));
    await at.server.readR1(r1);
    await at.client.readR2(edited(await writeR2(vector, at), edits));
  });
});
