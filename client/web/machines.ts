import { sentence } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { passphraseBytes } from "../../cli/secret_input.ts";
import { wipe } from "../../crypto/bytes.ts";
import { errorText, SealpostError } from "../../crypto/error.ts";
import { loadBundle, publicKeyPath, SERVER_NAME } from "../../files/key_files.ts";
import { encodePassword } from "../../protocol/login.ts";
import type { NewsEvent } from "../../protocol/request.ts";
import type { Mail } from "../mail.ts";
import { devicesOf, lastSeen } from "../mailbox/devices.ts";
import { kitState, makeKit } from "../mailbox/kits.ts";
import { openMail } from "../session.ts";
import { openPackage, ownPackage } from "../state/own_package.ts";
import { type Profile, requireAddress } from "../state/profile.ts";
import { LinkOffer } from "../trust/link_offer.ts";
import { qrModules } from "../trust/qr_code.ts";
import { givingTerminal, type PageTalk } from "./questions.ts";
import type { MachinesView, PageEvent, WordsView } from "./types.ts";

/** Words of a kit that were shown, until the person says whether they are on paper. */
interface ShownKit {
  readonly made: Promise<void>;
  readonly kept: (on: boolean) => void;
}

/** A person's machines and the kit for the day when all are lost, as a page works with them. */
export class Machines {
  readonly #mail: Mail;
  readonly #profile: Profile;
  readonly #talk: PageTalk;
  readonly #tell: (event: PageEvent) => void;
  #offer: LinkOffer | null = null;
  #kit: ShownKit | null = null;

  constructor(
    mail: Mail,
    profile: Profile,
    talk: PageTalk,
    tell: (event: PageEvent) => void,
  ) {
    this.#mail = mail;
    this.#profile = profile;
    this.#talk = talk;
    this.#tell = tell;
  }

  /** Throws what asking the server throws. */
  async list(): Promise<MachinesView> {
    const devices = await devicesOf(this.#mail);
    const account = await this.#mail.connection.ask({ op: "whoami" });
    const kit = kitState(await this.#mail.shared.known(), account);
    return {
      machines: devices.map((one) => ({
        id: one.id,
        name: one.label,
        own: one.own,
        words: sentence(lastSeen(one)),
      })),
      kit: kit.kind === "kept" ? kit : { kind: kit.kind, date: null, fetched: null },
    };
  }

  /** To be given every event. */
  notice(event: NewsEvent): void {
    this.#offer?.notice(event);
  }

  /**
   * The words with which another machine becomes one of the person's; what comes of them is told. Words
   * from before are of no use any more. It takes the password, so that who has the page has the keys no
   * sooner. Throws `login-refused`, `passphrase`, and what the server refuses with.
   */
  async offer(password: string, passphrase: string): Promise<WordsView> {
    await this.#offer?.refuse();
    await this.#withPassword(password, passphrase, () => Promise.resolve());
    const mail = this.#mail;
    const server = await loadBundle(publicKeyPath(this.#profile.dir, SERVER_NAME));
    await mail.shared.introduce();
    await mail.shareTrust();
    const offer = new LinkOffer(mail.connection, [server.fp]);
    this.#offer = offer;
    const { words } = offer;
    const opened = Promise.withResolvers<void>();
    offer.wait(opened.resolve).then(
      ({ device, words }) => this.#tell({ kind: "came", device: printable(device), words }),
      (error) => {
        opened.reject(error);
        if (this.#offer !== offer) return;
        this.#offer = null;
        this.#tell({ kind: "link-over", text: sentence(printable(errorText(error))) });
      },
    );
    await opened.promise;
    return wordsView(words);
  }

  /**
   * What the person says of the words on the other machine's screen: the keys go there only if they are the
   * same. Throws `no-such-message` if it does not wait any more.
   */
  async answer(same: boolean): Promise<void> {
    const offer = this.#offer;
    this.#offer = null;
    if (!same) return await offer?.refuse();
    if (!offer) throw new SealpostError("no-such-message", "no machine waits any more");
    const { dir, name } = this.#profile;
    const { state, log } = this.#mail;
    const address = requireAddress(this.#profile);
    await offer.accept(await ownPackage(dir, name, address, state, log.head()));
  }

  /**
   * The words of a new kit; it is made when {@linkcode Machines.endKit} says that they are on paper. Throws
   * `login-refused`, `passphrase`, and what the server refuses with.
   */
  async beginKit(password: string, passphrase: string): Promise<WordsView> {
    await this.endKit(false).catch(() => {});
    const shown = Promise.withResolvers<readonly string[]>();
    const kept = Promise.withResolvers<boolean>();
    const show = async (words: readonly string[]) => {
      shown.resolve(words);
      if (await kept.promise) return;
      throw new SealpostError("cancelled", "no kit was made");
    };
    const made = this.#withPassword(password, passphrase, async (mail) => {
      const { dir, name } = this.#profile;
      const address = requireAddress(this.#profile);
      await mail.shared.refresh();
      await mail.shareTrust();
      const secret = passphraseBytes(passphrase);
      const ask = (attempt: number) => Promise.resolve(attempt === 1 ? secret.slice() : null);
      const pack = () => openPackage(dir, name, address, mail.state, mail.log.head(), ask);
      try {
        await makeKit(mail.shared, mail.connection, pack, show);
      } finally {
        wipe(secret);
      }
    });
    made.catch(shown.reject);
    this.#kit = { made, kept: kept.resolve };
    return wordsView(await shown.promise);
  }

  /** Says whether the words are on paper; without that no kit is made. Throws what making it throws. */
  async endKit(kept: boolean): Promise<void> {
    const kit = this.#kit;
    this.#kit = null;
    if (!kit) return;
    kit.kept(kept);
    await kit.made.catch((error) => {
      if (kept) throw error;
    });
  }

  /** Words that were shown are of no use any more. */
  async close(): Promise<void> {
    const offer = this.#offer;
    this.#offer = null;
    await offer?.refuse();
    await this.endKit(false);
  }

  /** Runs `work` in a session of its own, which begins with the password. */
  async #withPassword(
    password: string,
    passphrase: string,
    work: (mail: Mail) => Promise<void>,
  ): Promise<void> {
    const { dir, name } = this.#profile;
    const mail = await openMail({
      terminal: { ...givingTerminal(this.#talk, passphrase), interactive: false },
      address: requireAddress(this.#profile),
      name,
      dir,
      useTicket: false,
      cache: false,
      announce: (line) => this.#talk.say(line, false),
      password: () => Promise.resolve(encodePassword(password)),
    });
    try {
      await work(mail);
    } finally {
      await mail.close();
    }
  }
}

function wordsView(words: readonly string[]): WordsView {
  const code = qrModules(words.join(" "));
  return { words, code: code.map((row) => row.map((dark) => dark ? "1" : "0").join("")) };
}
