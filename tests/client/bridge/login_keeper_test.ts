import { assertEquals, assertStringIncludes } from "@std/assert";
import { BridgeAccount } from "../../../client/bridge/account.ts";
import { type KeptLogin, LoginKeeper } from "../../../client/bridge/login_keeper.ts";
import { renewTicket } from "../../../client/session.ts";
import { RetiredKeys } from "../../../client/state/retired_keys.ts";
import { State } from "../../../client/state/state.ts";
import { type Bytes, fromUtf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { parseAddress } from "../../../protocol/address.ts";
import { inFolder } from "../../support/command.ts";
import { Group } from "../../support/group.ts";
import { identityOf } from "../../support/identities.ts";
import { openSession } from "../../support/session.ts";

const HOUR = 3_600_000;
/** When the password was entered. */
const START = Date.UTC(2026, 10, 22, 12);
/** No ticket ends later. */
const WEEK = START + 168 * HOUR;

/** A login whose tickets last a day, and no longer than {@linkcode WEEK}. */
class Login implements KeptLogin {
  readonly name = "alice";
  now = START;
  connected = true;
  renewed = 0;
  readonly stored: string[] = [];

  constructor(readonly state: State) {}

  readonly online = () => this.connected;
  readonly renew = () => {
    if (!this.connected) return Promise.reject(new SealpostError("unreachable", "gone"));
    this.renewed++;
    return Promise.resolve(Math.min(this.now + 24 * HOUR, WEEK));
  };
  readonly store = (message: Bytes) => {
    this.stored.push(fromUtf8(message));
    return Promise.resolve();
  };
  readonly onDefect = (error: unknown) => {
    throw error;
  };

  /** Lets hours pass, and has `keeper` look every quarter of one. */
  async pass(keeper: LoginKeeper, hours: number): Promise<void> {
    for (const end = this.now + hours * HOUR; this.now < end; this.now += HOUR / 4) {
      await keeper.look(this.now);
    }
  }
}

Deno.test("a bridge without a password exchanges its ticket for a week, and says once when that ends", async () => {
  await inFolder(async (dir) => {
    const login = new Login(await State.open(dir, "alice", await identityOf("alice")));
    const keeper = new LoginKeeper(login);
    await login.pass(keeper, 30);
    assertEquals(login.renewed, 0, "there is none");
    login.now = START;
    keeper.brought(START + 24 * HOUR);
    await login.pass(keeper, 5);
    assertEquals(login.renewed, 0);
    // While there is no connection, nothing is spent.
    login.connected = false;
    await login.pass(keeper, 10);
    login.connected = true;
    await login.pass(keeper, 125);
    assertEquals(login.stored, []);
    await login.pass(keeper, 10);
    assertEquals(login.stored.length, 1);
    assertStringIncludes(login.stored[0] ?? "", "Subject: The bridge needs your password after ");
    // Whoever starts the bridge again with the same ticket is not told again.
    const anew = new LoginKeeper(login);
    anew.brought(WEEK);
    await login.pass(keeper, 5);
    await login.pass(anew, 30);
    assertEquals(login.stored.length, 1);
    const { renewed } = login;
    await login.pass(anew, 5);
    assertEquals(login.renewed, renewed, "a ticket that is over is not tried");
  });
});

Deno.test("what a bridge says of its login is a message in the inbox, which programs can fetch", async () => {
  await using group = await Group.start(["alice"]);
  await group.bind("alice");
  const { mail } = await openSession(group.dir, "alice", group.server.address);
  const account = await BridgeAccount.open(mail, (line) => {
    throw new Error(line);
  });
  try {
    const end = await renewTicket({
      address: parseAddress(group.server.address),
      name: "alice",
      dir: group.path("alice"),
      person: {
        identity: mail.identity,
        state: mail.state,
        retired: new RetiredKeys(group.path("alice"), "alice", () => Promise.resolve(null)),
      },
    });
    assertEquals((end ?? 0) > Date.now() + 20 * HOUR, true);
    const login = Object.assign(new Login(mail.state), {
      now: Date.now(),
      renew: () => Promise.resolve(Date.now() + HOUR),
      store: async (message: Bytes) => {
        await account.append({
          mailbox: "INBOX",
          flags: [],
          receivedAt: null,
          size: message.length,
          bytes: ReadableStream.from([message]),
        });
      },
    });
    const keeper = new LoginKeeper(login);
    keeper.brought(Date.now() + 2 * HOUR);
    await keeper.look();
    const [placed] = (await account.view("INBOX"))?.messages ?? [];
    assertEquals(placed?.flags, []);
    const head = await account.head(placed?.key ?? 0);
    assertStringIncludes(head.fields.join("\n"), "From: Sealpost bridge <sealpost-bridge@");
    await using source = await account.open(placed?.key ?? 0);
    const pieces = await Array.fromAsync(source.read(0, source.size));
    assertStringIncludes(pieces.map(fromUtf8).join(""), "bridge --password-file FILE");
  } finally {
    await account.close();
  }
});
