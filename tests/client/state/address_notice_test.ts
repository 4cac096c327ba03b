import { assertEquals } from "@std/assert";
import { type AddressNotice, AddressNotices } from "../../../client/state/address_notice.ts";
import { RetiredKeys } from "../../../client/state/retired_keys.ts";
import { State } from "../../../client/state/state.ts";
import { formatServer, parseServer } from "../../../protocol/address.ts";
import { identityOf } from "../../support/identities.ts";

const BEFORE = parseServer("old.lan:13000");

/** Runs `work` on the notices of a machine; `told` has what it was told of. */
async function withNotices(
  work: (open: () => Promise<AddressNotices>, told: string[]) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "sealpost-" });
  try {
    const told: string[] = [];
    await work(async () => {
      const retired = new RetiredKeys(dir, "bob", () => Promise.resolve(null));
      const notices = new AddressNotices(
        await State.open(dir, "bob", await identityOf("bob"), retired),
      );
      notices.onNew = ({ address }) => told.push(formatServer(address));
      return notices;
    }, told);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The address of what is open. */
async function shown(notices: AddressNotices, present = BEFORE): Promise<string | null> {
  const notice: AddressNotice | null = await notices.open(present);
  return notice && formatServer(notice.address);
}

Deno.test("the newest notice counts, in whatever order they come, and is told of once", async () => {
  await withNotices(async (open, told) => {
    const notices = await open();
    assertEquals(await shown(notices), null);
    await notices.see(2000, ["new.lan:13000"]);
    await notices.see(1000, ["older.lan:13000"]);
    await notices.see(2000, ["new.lan:13000"]);
    // The same moment, and another address: nothing says which is later.
    await notices.see(2000, ["other.lan:13000"]);
    assertEquals([await shown(notices), told], ["new.lan:13000", ["new.lan:13000"]]);
    await notices.see(3000, ["a.lan:1", "b.lan:2"]);
    assertEquals(await shown(await open()), "a.lan:1, b.lan:2");
  });
});

Deno.test("an old notice that comes again is not asked about, whatever was said to the newer one", async () => {
  for (const decision of ["followed", "declined"] as const) {
    await withNotices(async (open, told) => {
      const notices = await open();
      await notices.see(2000, ["new.lan:13000"]);
      const notice = await notices.open(BEFORE);
      if (notice) await notices.decide(notice, decision);
      assertEquals(await shown(notices), null);
      await notices.see(1000, ["old.lan:13000"]);
      await notices.see(2000, ["new.lan:13000"]);
      assertEquals([await shown(await open()), told], [null, ["new.lan:13000"]]);
      await notices.see(4000, ["newest.lan:13000"]);
      assertEquals(await shown(notices), "newest.lan:13000");
    });
  }
});

Deno.test("where the client looks already, nothing is asked, then or later", async () => {
  await withNotices(async (open) => {
    const notices = await open();
    await notices.see(1000, ["new.lan:13000", "other.lan:13000"]);
    const there = parseServer("new.lan, other.lan");
    assertEquals(await shown(notices, there), null);
    assertEquals(await shown(notices), null);
  });
});

Deno.test("what was decided while a newer one came is not said of the newer one", async () => {
  await withNotices(async (open) => {
    const notices = await open();
    await notices.see(1000, ["first.lan:13000"]);
    const first = await notices.open(BEFORE);
    await notices.see(2000, ["second.lan:13000"]);
    if (first) await notices.decide(first, "declined");
    assertEquals(await shown(notices), "second.lan:13000");
  });
});

Deno.test("a notice of what is no address changes nothing", async () => {
  await withNotices(async (open, told) => {
    const notices = await open();
    for (const wrong of [["a b"], ["mail.lan"], ["ok.lan:1", "x:99999"], ["a:1, b:2"], []]) {
      await notices.see(1000, wrong);
    }
    assertEquals([await shown(notices), told], [null, []]);
  });
});
