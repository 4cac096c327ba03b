// @ts-check
// Section 12.1: a message by hand, and as much of MIME as it takes to read one.

import { Buffer } from "node:buffer";
import { concat, utf8 } from "./bytes.mjs";
import { random } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {{ name: string, content: Bytes }} Attachment */
/** @typedef {{ subject: string, text: string, attachments: Attachment[] }} Mail */

/** @param {string} name */
const address = (name) => `${name}@sealpost.invalid`;

/**
 * @param {Mail & { id: string, from: string, to: readonly string[], cc: readonly string[], date: number }} mail
 * @returns {Bytes}
 */
export function compose({ id, from, to, cc, date, subject, text, attachments }) {
  const boundary = `=_${Buffer.from(random(18)).toString("hex")}`;
  const head = [
    `From: ${address(from)}`,
    `To: ${to.map(address).join(",\r\n ")}`,
    ...cc.length > 0 ? [`Cc: ${cc.map(address).join(",\r\n ")}`] : [],
    `Subject: ${encodedWords(subject)}`,
    `Date: ${new Date(date).toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${address(id)}>`,
    "MIME-Version: 1.0",
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    quotedPrintable(text),
  ];
  const parts = attachments.flatMap(({ name, content }) => [
    `--${boundary}`,
    "Content-Type: application/octet-stream",
    "Content-Disposition: attachment;",
    ` filename*=UTF-8''${percentEncoded(name)}`,
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.from(content).toString("base64").replace(/.{76}(?=.)/g, "$&\r\n"),
  ]);
  return utf8([...head, ...parts, `--${boundary}--`, ""].join("\r\n"));
}

/** RFC 2047, in words of at most 45 bytes. @param {string} text */
function encodedWords(text) {
  if (/^[ -~]*$/.test(text) && !text.includes("=?") && text.length < 60) return text;
  const words = [""];
  for (const character of text) {
    const word = words.at(-1) + character;
    if (utf8(word).length > 45) words.push(character);
    else words[words.length - 1] = word;
  }
  return words
    .map((word) => `=?UTF-8?B?${Buffer.from(word, "utf8").toString("base64")}?=`)
    .join("\r\n ");
}

/** RFC 5987. @param {string} text */
const percentEncoded = (text) =>
  [...utf8(text)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");

/** RFC 2045, 6.7. @param {string} text */
function quotedPrintable(text) {
  const escape = (/** @type {number} */ byte) =>
    `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return text.split(/\r?\n/).map((line) => {
    const out = [""];
    const bytes = [...utf8(line)];
    bytes.forEach((byte, i) => {
      const isBlank = byte === 0x20 || byte === 0x09;
      const plain = isBlank ? i < bytes.length - 1 : byte > 0x20 && byte < 0x7f && byte !== 0x3d;
      const token = plain ? String.fromCharCode(byte) : escape(byte);
      const piece = out.at(-1) + token;
      if (piece.length > 75) out.push(token);
      else out[out.length - 1] = piece;
    });
    return out.join("=\r\n");
  }).join("\r\n");
}

/**
 * The text and the attachments of a message whose parts are not nested more than they must be.
 *
 * @param {Bytes} message @returns {Mail}
 */
export function parse(message) {
  /** @type {Mail} */
  const mail = { subject: "", text: "", attachments: [] };
  // One byte is one character; what is text in another sense is decoded part by part.
  const source = Buffer.from(message).toString("latin1");
  const { fields } = splitPart(source);
  mail.subject = decodedWords(fields.get("subject") ?? "");
  collect(source, mail);
  return mail;
}

/** @param {string} part @param {Mail} mail */
function collect(part, mail) {
  const { fields, body } = splitPart(part);
  const type = fields.get("content-type") ?? "text/plain";
  const boundary = parameter(type, "boundary");
  if (/^multipart\//i.test(type) && boundary !== null) {
    const marked = `\r\n${body}`.split(`\r\n--${boundary}`);
    for (const inner of marked.slice(1)) {
      if (inner.startsWith("--")) break;
      collect(inner.replace(/^[ \t]*\r\n/, ""), mail);
    }
    return;
  }
  const content = decoded(body, (fields.get("content-transfer-encoding") ?? "7bit").toLowerCase());
  const disposition = fields.get("content-disposition") ?? "";
  const name = parameter(disposition, "filename") ?? parameter(type, "name");
  if (/^attachment/i.test(disposition)) {
    mail.attachments.push({ name: name ?? "", content });
  } else mail.text += Buffer.from(content).toString("utf8").replaceAll("\r\n", "\n");
}

/** The fields, unfolded, by their names in small letters, and what follows them. @param {string} part */
function splitPart(part) {
  const at = part.startsWith("\r\n") ? 0 : part.indexOf("\r\n\r\n") + 2;
  const fields = new Map();
  for (const line of part.slice(0, at).replace(/\r\n(?=[ \t])/g, "").split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { fields, body: part.slice(at + 2) };
}

/** @param {string} body @param {string} encoding @returns {Bytes} */
function decoded(body, encoding) {
  if (encoding === "base64") return new Uint8Array(Buffer.from(body, "base64"));
  if (encoding !== "quoted-printable") return new Uint8Array(Buffer.from(body, "latin1"));
  const bytes = body.replace(/[ \t]+(?=\r\n|$)/g, "").replaceAll("=\r\n", "")
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return new Uint8Array(Buffer.from(bytes, "latin1"));
}

/** A parameter of a field, continued and encoded as RFC 2231 has it. @param {string} field @param {string} name */
function parameter(field, name) {
  const pattern = new RegExp(
    `;\\s*${name}(\\*\\d+)?(\\*)?=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`,
    "gi",
  );
  let value = "";
  let found = false;
  for (const [, , encoded, quoted, token = ""] of field.matchAll(pattern)) {
    found = true;
    const raw = quoted?.replace(/\\(.)/g, "$1") ?? token;
    value += encoded
      ? raw.replace(/^[^']*'[^']*'/, "").replace(
        /%([0-9A-Fa-f]{2})/g,
        (_, hex) => String.fromCharCode(parseInt(hex, 16)),
      )
      : raw;
  }
  return found ? decodedWords(Buffer.from(value, "latin1").toString("utf8")) : null;
}

/** RFC 2047. @param {string} text */
function decodedWords(text) {
  const word = /=\?utf-8\?([bq])\?([^?]*)\?=(?:\s+(?==\?))?/gi;
  /** @type {Bytes[]} */
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(word)) {
    const [whole, how = "", content = ""] = match;
    parts.push(utf8(text.slice(at, match.index)));
    parts.push(
      how.toLowerCase() === "b"
        ? decoded(content, "base64")
        : decoded(content.replaceAll("_", " "), "quoted-printable"),
    );
    at = match.index + whole.length;
  }
  return Buffer.from(concat(...parts, utf8(text.slice(at)))).toString("utf8");
}
