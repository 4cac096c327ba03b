import { SealpostError } from "../../crypto/error.ts";
import { loadBundle, publicKeyPath, SERVER_NAME } from "../../files/key_files.ts";
import { PROGRAM } from "../../cli/program.ts";
import { printable } from "../../cli/printable.ts";
import type { NewsEvent } from "../../protocol/request.ts";
import { ownPackage } from "../state/own_package.ts";
import { requireAddress } from "../state/profile.ts";
import { confirm } from "../terminal/confirm.ts";
import { openTerminal } from "../terminal/terminal.ts";
import { LinkOffer } from "../trust/link_offer.ts";
import { type CommonOptions, withMail } from "./common.ts";
import { showWords } from "./words.ts";

/** The `devices add` command: shows words with which another machine becomes one of the person's. */
export async function addDevice(options: CommonOptions): Promise<void> {
  if (!openTerminal().interactive) {
    throw new SealpostError(
      "usage",
      "devices add shows words and asks whether two screens show the same: use it at a terminal",
    );
  }
  let offer: LinkOffer | null = null;
  const onNews = (event: NewsEvent) => offer?.notice(event);
  await withMail({ ...options, onNews }, async ({ mail, profile, terminal }) => {
    const { dir, name } = profile;
    const server = await loadBundle(publicKeyPath(dir, SERVER_NAME));
    await mail.shared.introduce();
    await mail.shareTrust();
    offer = new LinkOffer(mail.connection, [server.fp]);
    const { words } = offer;
    const { device, words: compared } = await offer.wait(() => {
      terminal.print(`On the other machine, run "${PROGRAM} setup --device" and type these words:`);
      showWords(terminal, words);
      terminal.print("They are good for ten minutes and one machine. Show them to nobody else.");
      terminal.print("Waiting for the other machine; Ctrl-C ends it.");
    });
    terminal.print(`\nA machine that calls itself ${printable(device)} has come. Its screen shows`);
    terminal.print(`\n    ${compared.join(" ")}\n`);
    terminal.print("if nobody is between. It gets your keys, and with them all your mail.");
    if (!await confirm(terminal, "Does it show these six words? (y/N) ")) {
      await offer.refuse();
      throw new SealpostError(
        "cancelled",
        "nothing was sent, and the words are of no use any more; if they were not the same, somebody " +
          "saw your words: begin again where nobody watches",
      );
    }
    await offer.accept(
      await ownPackage(dir, name, requireAddress(profile), mail.state, mail.log.head()),
    );
    terminal.print(`${printable(device)} has your keys now; it asks for your password next.`);
  });
}
