import { assertEquals, assertRejects } from "@std/assert";
import {
  checkBodySize,
  type SealedHead,
  unseal,
  unsealBody,
  type UnsealKeys,
} from "../../../client/message/unseal.ts";
import { type Bytes, concat, equal, random } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import type { Identity } from "../../../crypto/identity.ts";
import { openStanza } from "../../../protocol/stanza.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";
import { pieces, type SealedParts, sealMessage } from "../../support/sealed.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob");
const carol = await identityOf("carol");

/** The keys of `reader`, who takes `sender` for whoever a message names; `asked` notes what for. */
function keysOf(reader: Identity, sender: Identity, asked: unknown[] = []): UnsealKeys {
  return {
    stanza: ({ stanza, header }) => {
      asked.push("stanza");
      return openStanza(reader, stanza, header);
    },
    sender: (name, fp) => {
      asked.push([name, equal(fp, alice.bundle.fp)]);
      return Promise.resolve(sender.bundle);
    },
  };
}

function headFor({ header, stanzas, summary }: SealedParts, index: number): SealedHead {
  return { header, stanza: stanzas[index] ?? new Uint8Array(0), summary };
}

function refused(code: string, work: () => Promise<unknown>): Promise<void> {
  return assertRejects(work, SealpostError).then((error) => assertEquals(error.code, code));
}

/** `bytes` with one bit of the byte `at` turned over. */
function flip(bytes: Bytes, at: number): Bytes {
  const out = bytes.slice();
  out[at] = (out[at] ?? 0) ^ 1;
  return out;
}

async function contents(message: AsyncIterable<Bytes>): Promise<Bytes> {
  return concat(...await Array.fromAsync(message));
}

Deno.test("a message opens for each recipient, and for its sender, with their own stanza", async () => {
  const text = random(300);
  const parts = await sealMessage(alice, [bob.bundle, carol.bundle], text);
  for (const [i, reader] of [bob, carol, alice].entries()) {
    const asked: unknown[] = [];
    const unsealed = await unseal(headFor(parts, i), keysOf(reader, alice, asked));
    assertEquals(asked, ["stanza", ["alice", true]]);
    assertEquals(unsealed.fileKey, parts.fileKey);
    assertEquals(unsealed.summaryHash, parts.summaryHash);
    assertEquals(unsealed.id, parts.header.slice(1, 17));
    assertEquals([unsealed.summary.subject, unsealed.summary.size], ["Smørrebrød 🥪", 300]);
    checkBodySize(unsealed.summary, concat(...parts.chunks).length);
    await inFolder(async (folder) => {
      const size = concat(...parts.chunks).length;
      const body = await unsealBody(unsealed, parts.header, pieces(...parts.chunks), size, folder);
      assertEquals(await contents(body.stream()), text);
      await body.dispose();
    });
  }
});

Deno.test("no private operation is done for a header or a stanza that cannot be right", async () => {
  const parts = await sealMessage(alice, [bob.bundle], random(10));
  const head = headFor(parts, 0);
  const asked: unknown[] = [];
  const keys = keysOf(bob, alice, asked);
  await refused("format", () => unseal({ ...head, header: head.header.slice(1) }, keys));
  await refused("version", () => unseal({ ...head, header: flip(head.header, 0) }, keys));
  assertEquals(asked, []);
});

Deno.test("whatever is altered, or is another's, is refused before anything of it comes out", async () => {
  const parts = await sealMessage(alice, [bob.bundle, carol.bundle], random(10));
  const head = headFor(parts, 0);
  const asked: unknown[] = [];
  const keys = keysOf(bob, alice, asked);
  const { stanza, header, summary } = head;
  await refused("authentication", () => unseal({ ...head, header: flip(header, 80) }, keys));
  await refused("authentication", () => {
    return unseal({ ...head, stanza: flip(stanza, stanza.length - 1) }, keys);
  });
  await refused("authentication", () => unseal({ ...head, summary: flip(summary, 30) }, keys));
  // Nobody is asked for the key of somebody whom only a forgery names.
  assertEquals(asked.filter((one) => one !== "stanza"), []);
  // The stanza of another reader, and the key of another sender.
  await refused("format", () => unseal(headFor(parts, 1), keys));
  await refused("authentication", () => unseal(head, keysOf(bob, carol)));
  // What two messages are made of does not go together.
  const other = await sealMessage(alice, [bob.bundle], random(10));
  await refused("authentication", () => unseal({ ...head, summary: other.summary }, keys));
  await refused("authentication", () => unseal({ ...headFor(other, 0), header }, keys));
});

Deno.test("a body that is altered, cut or of another size leaves nothing in the folder", async () => {
  await inFolder(async (folder) => {
    // Large enough for a file.
    const parts = await sealMessage(alice, [bob.bundle], random(1_500_000));
    const unsealed = await unseal(headFor(parts, 0), keysOf(bob, alice));
    const whole = concat(...parts.chunks);
    const open = (bytes: Bytes, size = whole.length) => {
      return unsealBody(unsealed, parts.header, pieces(bytes), size, folder);
    };
    const left = () => [...Deno.readDirSync(folder)].length;
    for (const at of [0, 1_200_000, whole.length - 1]) {
      await refused("authentication", () => open(flip(whole, at)));
      assertEquals(left(), 0);
    }
    await refused("format", () => open(whole.slice(0, -70_000)));
    assertEquals(left(), 0);
    assertEquals(checkThrows(() => checkBodySize(unsealed.summary, whole.length + 1)), "format");
    const message = await open(whole);
    assertEquals(left(), 1);
    await message.dispose();
    assertEquals(left(), 0);
  });
});

function checkThrows(work: () => void): string {
  try {
    work();
    return "nothing";
  } catch (error) {
    return error instanceof SealpostError ? error.code : "another error";
  }
}
