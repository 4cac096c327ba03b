import type { Address } from "../../protocol/address.ts";
import { addressOf } from "../message/mail_names.ts";

/** Whose settings: Thunderbird's autoconfig, or a configuration profile of Apple's. */
export type AutoconfigFormat = "thunderbird" | "apple";

/** The settings of an account as mail programs read them, without the password. */
export function autoconfigFor(
  format: AutoconfigFormat,
  name: string,
  imap: Address,
  smtp: Address,
): string {
  return format === "apple" ? forApple(name, imap, smtp) : forThunderbird(name, imap, smtp);
}

/** https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/config-file-format.html */
function forThunderbird(name: string, imap: Address, smtp: Address): string {
  const domain = addressOf(name).split("@")[1];
  const server = (kind: string, type: string, { host, port }: Address) =>
    `    <${kind} type="${type}">
      <hostname>${escaped(host)}</hostname>
      <port>${port}</port>
      <socketType>plain</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILLOCALPART%</username>
    </${kind}>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="${domain}">
    <domain>${domain}</domain>
    <displayName>Sealpost</displayName>
    <displayShortName>Sealpost</displayShortName>
${server("incomingServer", "imap", imap)}
${server("outgoingServer", "smtp", smtp)}
  </emailProvider>
</clientConfig>`;
}

/** Apple's profile of settings, payload com.apple.mail.managed. */
function forApple(name: string, imap: Address, smtp: Address): string {
  const text = (key: string, value: string) =>
    `      <key>${key}</key>\n      <string>${escaped(value)}</string>`;
  const number = (key: string, value: number) =>
    `      <key>${key}</key>\n      <integer>${value}</integer>`;
  const no = (key: string) => `      <key>${key}</key>\n      <false/>`;
  const payload = [
    text("PayloadType", "com.apple.mail.managed"),
    number("PayloadVersion", 1),
    text("PayloadIdentifier", `sealpost.bridge.${name}.mail`),
    text("PayloadUUID", crypto.randomUUID().toUpperCase()),
    text("EmailAccountType", "EmailTypeIMAP"),
    text("EmailAccountDescription", `Sealpost (${name})`),
    text("EmailAddress", addressOf(name)),
    text("IncomingMailServerAuthentication", "EmailAuthPassword"),
    text("IncomingMailServerHostName", imap.host),
    number("IncomingMailServerPortNumber", imap.port),
    no("IncomingMailServerUseSSL"),
    text("IncomingMailServerUsername", name),
    text("OutgoingMailServerAuthentication", "EmailAuthPassword"),
    text("OutgoingMailServerHostName", smtp.host),
    number("OutgoingMailServerPortNumber", smtp.port),
    no("OutgoingMailServerUseSSL"),
    text("OutgoingMailServerUsername", name),
    "      <key>OutgoingPasswordSameAsIncomingPassword</key>\n      <true/>",
  ].join("\n");
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadContent</key>
  <array>
    <dict>
${payload}
    </dict>
  </array>
  <key>PayloadDisplayName</key>
  <string>Sealpost bridge (${escaped(name)})</string>
  <key>PayloadIdentifier</key>
  <string>sealpost.bridge.${escaped(name)}</string>
  <key>PayloadType</key>
  <string>Configuration</string>
  <key>PayloadUUID</key>
  <string>${crypto.randomUUID().toUpperCase()}</string>
  <key>PayloadVersion</key>
  <integer>1</integer>
</dict>
</plist>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
