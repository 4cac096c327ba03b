// What Thunderbird is told to do: driver.ts hands this text to Marionette, which runs it inside, with
// the rights of the program itself. Buttons and fields are those that a person uses.

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");

/** Asks again and again until the answer is something. */
async function until(what, ask) {
  for (let tries = 0; tries < 900; tries++) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain for ${what}`);
}

/** Every element of a document, with those in shadow trees and in documents within it. */
function* elements(root) {
  for (const element of root.querySelectorAll("*")) {
    yield element;
    for (const inner of [element.shadowRoot, element.contentDocument]) {
      if (inner) yield* elements(inner);
    }
  }
}

/** The element of a selector that can be seen and used. */
function usable(selector) {
  return until(selector, () => {
    for (const { document } of Services.wm.getEnumerator(null)) {
      for (const element of elements(document)) {
        if (element.matches(selector) && element.getBoundingClientRect().width > 0) {
          return element.disabled ? null : element;
        }
      }
    }
    return null;
  });
}

async function click(selector) {
  (await usable(selector)).click();
}

async function type(selector, text) {
  const element = await usable(selector);
  const { InputEvent, Event } = element.ownerDocument.defaultView;
  element.focus();
  element.value = text;
  element.dispatchEvent(new InputEvent("input", { bubbles: true }));
  element.dispatchEvent(new Event("change", { bubbles: true }));
}

function mainWindow() {
  return until("the window", () => Services.wm.getMostRecentWindow("mail:3pane"));
}

async function tabs() {
  const { document } = await mainWindow();
  return document.getElementById("tabmail");
}

async function pane() {
  const all = await tabs();
  return await until("the list of folders", () => all.currentAbout3Pane);
}

async function folder(name) {
  const { rootFolder } = MailServices.accounts.defaultAccount.incomingServer;
  return await until(name, () => rootFolder.subFolders.find((one) => one.name === name));
}

/** Enters an address, as far as what Thunderbird has found for it; gives back what it shows of that. */
export async function enterAddress({ name, address }) {
  await type("#realName", name);
  await type("#email", address);
  await click("#emailFooter #forward");
  await usable("#editConfiguration");
  const { document } = await mainWindow();
  return [...elements(document)].find((one) => one.localName === "email-config-found").textContent
    .split(/\s+/).join(" ");
}

/** Goes on to the password. */
export async function goOn() {
  await click("#emailFooter #forward");
  await usable("input#password");
}

/** Enters the password, and ends the dialog; gives back the names of the folders. */
export async function enterPassword({ password }) {
  await type("input#password", password);
  await click("#emailFooter #forward");
  await usable("#accountHubSignatureLink");
  await click("#emailFooter #forward");
  await folder("INBOX");
  const { rootFolder } = MailServices.accounts.defaultAccount.incomingServer;
  return rootFolder.subFolders.map((one) => one.name).sort();
}

/** Shows a folder. */
export async function showFolder({ name }) {
  const wanted = await folder(name);
  const shown = await pane();
  shown.displayFolder(wanted.URI);
  await until(`${name} shown`, () => shown.gFolder === wanted && shown.gDBView);
}

/** How many messages the list shows, once it shows `count`. */
export async function listed({ count }) {
  const { gDBView } = await pane();
  return await until(`${count} messages`, () => gDBView.rowCount === count && `${count}`);
}

/** Opens the message of a subject; gives back what is shown of it. */
export async function open({ subject }) {
  const list = await pane();
  const row = await until(subject, () => {
    for (let i = 0; i < list.gDBView.rowCount; i++) {
      if (list.gDBView.getMsgHdrAt(i).mime2DecodedSubject.endsWith(subject)) return { i };
    }
  });
  list.threadTree.selectedIndex = row.i;
  const all = await tabs();
  const message = await until("a message", () => all.currentAboutMessage);
  const text = await until("its text", () => {
    const { contentDocument } = message.getMessagePaneBrowser();
    const body = contentDocument?.querySelector(".moz-text-plain, .moz-text-flowed");
    return message.gMessage?.mime2DecodedSubject.endsWith(subject) && body?.textContent;
  });
  const shown = (id) => message.document.getElementById(id)?.textContent ?? "";
  return {
    subject: shown("expandedsubjectBox"),
    verified: shown("expandedx-sealpost-verifiedBox"),
    text,
  };
}

/** Saves the first attachment of the message that is shown. */
export async function saveAttachment({ path }) {
  const { currentAboutMessage } = await tabs();
  const [attachment] = await until("attachments", () => {
    const { currentAttachments } = currentAboutMessage;
    return currentAttachments.length > 0 && currentAttachments;
  });
  await attachment.saveToFile(path);
  return attachment.name;
}

/** Answers the message that is shown, with a file; who gets it. */
export async function answer({ text, path }) {
  await click("#hdrReplyButton");
  const window = await until("the window to write in", () => {
    const found = Services.wm.getMostRecentWindow("msgcompose");
    return found?.composeEditorReady && found;
  });
  window.GetCurrentEditor().insertText(text);
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(path);
  window.AddAttachments([window.FileToAttachment(file)]);
  return [...window.document.querySelectorAll("mail-address-pill")].map((one) => one.emailAddress);
}

/** Sends what is written, and waits until that is done, with its copy. */
export async function sendAnswer() {
  await click("#button-send");
  await until("the end of sending", () => !Services.wm.getMostRecentWindow("msgcompose"));
}

/** Makes a folder, and moves the message that is shown there. */
export async function moveToNew({ name }) {
  MailServices.accounts.defaultAccount.incomingServer.rootFolder.createSubfolder(name, null);
  const destination = await folder(name);
  const { commandController, gDBView } = await pane();
  const { rowCount } = gDBView;
  commandController.doCommand("cmd_moveMessage", destination);
  await until("the move", () => gDBView.rowCount < rowCount);
}

/** Deletes the message that is shown. */
export async function deleteShown() {
  const { gDBView } = await pane();
  const { rowCount } = gDBView;
  await click("#hdrTrashButton");
  await until("the deletion", () => gDBView.rowCount < rowCount);
}
