import { formatSize, sentence } from "../../../cli/format.ts";
import { expandHome } from "../../../cli/environment.ts";
import { resolve } from "@std/path";
import { isSealpostError, SealpostError } from "../../../crypto/error.ts";
import { printable } from "../../../cli/printable.ts";
import { attachmentFromFile } from "../../message/attachments.ts";
import { base64LinesSize } from "../../message/base64_lines.ts";
import { withSignature } from "../../message/reply.ts";
import type { DraftContent } from "../../state/draft_text.ts";
import { type Draft, emptyDraft } from "../../state/drafts.ts";
import { isEmpty } from "../../terminal/empty_message.ts";
import { missingAttachment } from "../../terminal/mentions.ts";
import { checkLimits, recipientWords } from "../../mail.ts";
import { sendDraft, TakenBackError } from "../../send_draft.ts";
import { verification } from "../../trust/verification.ts";
import { AutosavedDraft, editInFile, headerProblem, PARTED } from "../../terminal/write_draft.ts";
import { commonStart, completePath } from "../../terminal/complete.ts";
import { nameAt, namesIn } from "../complete.ts";
import {
  attached,
  type Composition,
  compositionOf,
  contentOf,
  edited,
  type Focus,
  focusBy,
  namesField,
  typed,
  withField,
} from "../compose_model.ts";
import { type ComposeLayout, type NameTrust, viewCompose } from "../compose_view.ts";
import type { Key } from "../display.ts";
import type { Size } from "../frame.ts";
import type { Action } from "../keys.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { ChangedKeyScreen } from "./changed_key.ts";

/** The composer. Every change is saved, encrypted, a second later. */
export class ComposeScreen implements Screen {
  readonly mode = "compose";
  readonly #host: Host;
  readonly #autosaved: AutosavedDraft;
  readonly #original: string;
  #composition: Composition;
  #layout: ComposeLayout | null = null;
  /** For each name as it was typed: why it is no user's; null if it is one. */
  readonly #checked = new Map<string, string | null>();
  #sending = false;
  /** Resolves when the sizes of the attached files are known. */
  #looked: Promise<void> | null = null;

  /** `draft`: what is written already; else the person's signature. */
  constructor(host: Host, draft: Draft = newDraft(host)) {
    this.#host = host;
    this.#autosaved = new AutosavedDraft(host.mail.drafts, draft);
    this.#autosaved.onParted = () => host.say(PARTED);
    this.#composition = compositionOf(draft);
    this.#original = JSON.stringify(contentOf(this.#composition));
    if (draft.attachments.length > 0) this.#looked = this.#lookAtFiles();
  }

  where(): string {
    const subject = printable(this.#composition.fields.subject.text);
    return subject === "" ? "New message" : `Writing: ${subject}`;
  }

  show(size: Size): Shown {
    this.#layout = viewCompose({
      composition: this.#composition,
      trust: (name) => this.#trust(name),
      signs: this.#host.signs,
    }, size);
    const { top, lines, cursor } = this.#layout;
    this.#composition = { ...this.#composition, text: { ...this.#composition.text, top } };
    return { lines, cursor };
  }

  handleKey(key: Key): boolean {
    const { name, text } = key;
    if (text !== null && this.#composition.focus !== "attachments") {
      this.#set(typed(this.#composition, text));
      return true;
    }
    // Actions of the composer, which edit text elsewhere.
    if (["ctrl+c", "ctrl+g", "ctrl+l", "ctrl+o", "ctrl+t", "ctrl+x", "ctrl+z"].includes(name)) {
      return false;
    }
    const { columns = 80, rows = 20 } = this.#layout ?? {};
    const changed = edited(this.#composition, name, columns, rows);
    if (!changed) return false;
    this.#set(changed);
    return true;
  }

  act(action: Action): void | Promise<void> {
    switch (action) {
      case "next-field":
        return this.#tab();
      case "previous-field":
        return this.#focus(focusBy(this.#composition, -1).focus);
      case "send":
        return this.#send();
      case "attach":
        return this.#attach();
      case "postpone":
        return this.#postpone();
      case "cancel":
        return this.#cancel();
      case "editor":
        return this.#edit();
    }
  }

  async saveWork(): Promise<void> {
    if (this.#worthKeeping()) await this.#autosaved.save();
  }

  async close(): Promise<void> {
    await this.#autosaved[Symbol.asyncDispose]();
  }

  #set(composition: Composition): void {
    const before = this.#composition;
    this.#focus(composition.focus);
    this.#composition = composition;
    if (composition.text.lines !== before.text.lines) {
      const { lines } = composition.text;
      this.#autosaved.type(() => lines.join("\n"));
    }
    if (composition.fields !== before.fields || composition.attachments !== before.attachments) {
      const { text: _, ...parts } = contentOf(composition);
      this.#autosaved.set(parts);
    }
  }

  /** Moves the cursor. Names are checked when their field is left. */
  #focus(focus: Focus): void {
    const before = this.#composition.focus;
    this.#composition = { ...this.#composition, focus };
    if (focus === before || !namesField(before)) return;
    const names = namesIn(this.#composition.fields[before].text);
    this.#host.background(async () => {
      const wrong = await this.#firstWrong(names);
      if (wrong !== null) this.#host.say(wrong, "error");
    });
  }

  /** Why the first of `names` that is no user's is not; null if all are users, as far as is known. */
  async #firstWrong(names: readonly string[]): Promise<string | null> {
    for (const name of names) {
      if (!this.#checked.has(name)) this.#checked.set(name, await this.#whyNobody(name));
    }
    const wrong = names.find((name) => this.#checked.get(name));
    return wrong === undefined ? null : sentence(this.#checked.get(wrong) ?? "");
  }

  async #whyNobody(written: string): Promise<string | null> {
    const { mail } = this.#host;
    try {
      const { names } = await mail.recipientNames([written]);
      const unknown = names.filter((name) => name !== mail.name && !mail.people.pins.get(name));
      if (unknown.length > 0 && mail.connection.online) await mail.people.offered(unknown);
      return null;
    } catch (error) {
      if (isSealpostError(error, "no-such-user", "no-key", "usage")) return error.message;
      // The server cannot be asked now; it is asked when the message is sent.
      if (isSealpostError(error)) return null;
      throw error;
    }
  }

  /** Whether the person has changed anything. */
  #worthKeeping(): boolean {
    return JSON.stringify(contentOf(this.#composition)) !== this.#original;
  }

  /** In a list of names, completes; in the text, indents; else goes to the next field. */
  #tab(): void {
    const { focus, fields } = this.#composition;
    if (namesField(focus)) {
      const { start, word } = nameAt(fields[focus].text, fields[focus].at);
      if (word !== "" && this.#complete(focus, start, word)) return;
    } else if (focus === "text") {
      return this.#set(typed(this.#composition, "    "));
    }
    this.#focus(focusBy(this.#composition, 1).focus);
  }

  #complete(field: "to" | "cc" | "bcc", start: number, word: string): boolean {
    const all = recipientWords(this.#host.mail);
    const fits = all.filter((name) => name.startsWith(word));
    if (fits.length === 0 || (fits.length === 1 && fits[0] === word)) return false;
    const more = fits.length === 1 ? `${fits[0]}, ` : commonStart(fits);
    const { text, at } = this.#composition.fields[field];
    const rest = text.slice(at).replace(/^,?\s*/, "");
    const before = text.slice(0, start) + more;
    this.#set(withField(this.#composition, field, { text: before + rest, at: before.length }));
    if (fits.length > 1) {
      this.#host.say(
        fits.map((name) => {
          const fullName = this.#host.mail.fullNameOf(name)?.text;
          return `${name}${this.#mark(name)}${fullName ? ` (${printable(fullName)})` : ""}`;
        }).join("  "),
      );
    }
    return true;
  }

  #mark(name: string): string {
    const { mark } = verification(this.#host.mail.people.pins.get(name));
    return mark === "✓" ? ` ${this.#host.signs.verified}` : mark.trimEnd();
  }

  #trust(written: string): NameTrust {
    if (this.#checked.get(written)) return "nobody";
    const { mail } = this.#host;
    const name = written.split("@")[0] ?? "";
    if (name === mail.name || mail.knownGroups.some((group) => group.name === name)) {
      return "unknown";
    }
    const pin = mail.people.pins.get(name);
    if (!pin) return "new";
    const { verified, state } = verification(pin);
    return verified ? "verified" : state === "changed" ? "changed" : "unknown";
  }

  /** Learns the sizes of the files that are attached. */
  async #lookAtFiles(): Promise<void> {
    for (const file of this.#composition.attachments) {
      if (!("path" in file) || file.size !== null) continue;
      try {
        const { size } = await attachmentFromFile(file.path);
        const attachments = this.#composition.attachments.map((one) => {
          return one === file ? { ...one, size } : one;
        });
        this.#composition = { ...this.#composition, attachments };
      } catch (error) {
        this.#host.showError(error);
      }
    }
    this.#host.refresh();
  }

  async #attach(): Promise<void> {
    const answer = await this.#host.input("Attach file:", {
      value: `${this.#host.files}/`,
      complete: completePath,
    });
    if (answer === null || answer.trim() === "") return;
    const path = resolve(expandHome(answer));
    const { name, size } = await attachmentFromFile(path);
    const composition = attached(this.#composition, { path, name, size });
    const { maxMessage = Infinity } = this.#host.mail.hello ?? {};
    const whole = composition.attachments.reduce((sum, one) => {
      return sum + base64LinesSize(one.size ?? 0);
    }, 0);
    if (whole > maxMessage) {
      throw new SealpostError(
        "too-large",
        `with ${printable(name)} the attachments have ${formatSize(whole)} as mail carries them; ` +
          `this server takes ${formatSize(maxMessage)}`,
      );
    }
    this.#set(composition);
    this.#host.say(`Attached ${printable(name)}, ${formatSize(size)}`, "good");
  }

  /** Has the message written in the person's editor, headers and all. */
  async #edit(): Promise<void> {
    const { tools, mail } = this.#host;
    if (!tools || !await tools.findEditor()) {
      return this.#host.say("There is no editor; set VISUAL or EDITOR to yours.");
    }
    this.#autosaved.set(contentOf(this.#composition));
    const before = this.#autosaved.draft;
    try {
      await editInFile(mail.drafts, this.#autosaved, (id) => {
        return this.#host.lend(() => tools.edit(id));
      });
    } finally {
      if (this.#autosaved.draft !== before) this.#takeOver(this.#autosaved.draft);
    }
  }

  /** Shows a draft as an editor left it. */
  #takeOver(draft: Draft): void {
    const problem = headerProblem(draft);
    if (problem !== null) this.#host.say(`${problem}. All of it is in the text now.`, "error");
    this.#autosaved.set({ unparsed: false });
    this.#composition = { ...compositionOf(draft), focus: "text" };
    this.#looked = this.#lookAtFiles();
  }

  async #postpone(): Promise<void> {
    await this.#autosaved.save();
    this.#host.leave(this);
    this.#host.say("Kept in Drafts (5).");
  }

  async #cancel(): Promise<void> {
    if (!this.#worthKeeping()) {
      await this.#leaveUnchanged();
      return;
    }
    const answer = await this.#host.choose("Keep it as a draft? (y)es, (n)o, (c)ontinue", "ync");
    if (answer === "y") return await this.#postpone();
    if (answer === "n") {
      await this.#autosaved.discard();
      this.#host.leave(this);
      this.#host.say("Nothing was kept.");
    }
  }

  /** A draft that was opened and not changed stays as it is. */
  async #leaveUnchanged(): Promise<void> {
    await this.#autosaved[Symbol.asyncDispose]();
    this.#host.leave(this);
  }

  async #send(): Promise<void> {
    // A second ^X while the first one asks the server must not send twice.
    if (this.#sending) return;
    this.#sending = true;
    try {
      await this.#looked;
      const written = contentOf(this.#composition);
      if (!await this.#fit(written)) return;
      this.#autosaved.set(written);
      // From here on the message is safe.
      const draft = await this.#autosaved.save();
      this.#host.leave(this);
      const to = [...written.to, ...written.cc, ...written.bcc].join(", ");
      if (this.#host.held.delay === 0) this.#host.say(`Sending to ${to} …`);
      this.#host.background(() => send(this.#host, draft, to));
    } finally {
      this.#sending = false;
    }
  }

  /** Whether the message can be sent; if not, says why. */
  async #fit(written: DraftContent): Promise<boolean> {
    if (!await this.#recipientsFit(written)) return false;
    checkLimits(written);
    for (const path of written.attachments) await attachmentFromFile(path);
    if (written.subject === "") {
      const answer = await this.#host.choose("It has no subject. Send it? (y/n)", "yn");
      if (answer !== "y") {
        this.#composition = { ...this.#composition, focus: "subject" };
        return false;
      }
    }
    if (isEmpty(written)) {
      const answer = await this.#host.choose(
        "It has no text and no attachment. Send it? (y/n)",
        "yn",
      );
      if (answer !== "y") return false;
    }
    const word = missingAttachment(written);
    if (word === null) return true;
    const question = `The text says "${printable(word)}", but nothing is attached. Send it? (y/n)`;
    return await this.#host.choose(question, "yn") === "y";
  }

  /** Whether all recipients can be sent to; if not, puts the cursor on one who cannot. */
  async #recipientsFit(written: DraftContent): Promise<boolean> {
    const { mail } = this.#host;
    const names = [...written.to, ...written.cc, ...written.bcc];
    if (names.length === 0) {
      this.#composition = { ...this.#composition, focus: "to" };
      this.#host.say("Whom is it for? Write a name after To.", "error");
      return false;
    }
    // An account may have been made meanwhile.
    for (const name of names) if (this.#checked.get(name)) this.#checked.delete(name);
    const wrong = await this.#firstWrong(names);
    if (wrong !== null) {
      const field = (["to", "cc", "bcc"] as const)
        .find((one) => written[one].some((name) => this.#checked.get(name)));
      if (field) this.#composition = { ...this.#composition, focus: field };
      this.#host.say(wrong, "error");
      return false;
    }
    const { names: users } = await mail.recipientNames(names);
    const others = users.filter((name) => name !== mail.name);
    // Learns of changed keys here, where the person can decide on them.
    if (mail.connection.online) await mail.people.offered(others);
    const changed = others.find((name) => {
      const pin = mail.people.pins.get(name);
      return pin?.offered || pin?.unconfirmed;
    });
    if (changed !== undefined) {
      this.#host.open(
        new ChangedKeyScreen(this.#host, changed, {
          accepted: () => {
            this.#host.say(`The new key of ${changed} is in use; ^X sends the message.`, "good");
          },
        }),
      );
      return false;
    }
    await mail.recipients(users);
    return true;
  }
}

/** A message to nobody yet, with the person's signature. */
export function newDraft({ mail }: Host): Draft {
  return { ...emptyDraft(), text: withSignature("", mail.signature) };
}

/** Sends a draft in the background; if that fails, it stays among the drafts. */
async function send(host: Host, draft: Draft, to: string): Promise<void> {
  try {
    const note = (line: string) => host.say(line);
    const { waits } = await host.held.send(draft.id, (hold) => {
      return sendDraft(host.mail, draft, { note, hold });
    });
    // The answered message has its mark now.
    host.mailbox.reload();
    if (waits?.code === "key-unconfirmed") host.say(printable(waits.message), "error");
    else if (waits) {
      host.say(`No connection: the message to ${to} waits, sealed, in the Outbox (6).`);
    } else host.say(`Sent to ${to}.`, "good");
  } catch (error) {
    if (error instanceof TakenBackError) {
      host.open(new ComposeScreen(host, error.draft));
      return host.say("Taken back, and nothing was sent; here it is.", "good");
    }
    if (!isSealpostError(error)) throw error;
    const kept = await host.mail.drafts.load(draft.id).then(() => true, () => false);
    host.showError(
      new SealpostError(
        error.code,
        kept ? `${error.message}. The message is in Drafts (5)` : error.message,
        { cause: error },
      ),
    );
  } finally {
    await host.reloadLocal();
  }
}
