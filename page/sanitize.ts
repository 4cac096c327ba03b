import DOMPurify from "dompurify";
import { T } from "./texts.ts";

/** Addresses that a link may lead to. */
const LINK = /^(?:https?|mailto):/i;
/** Pictures that a message contains itself, of kinds that run nothing. */
const OWN_PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/i;

const purify = DOMPurify(window);

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "IMG") {
    const source = node.getAttribute("src") ?? "";
    node.removeAttribute("srcset");
    if (OWN_PICTURE.test(source)) return;
    // What is elsewhere would tell its owner that the message is read.
    const alt = node.getAttribute("alt") ?? "";
    node.replaceWith(document.createTextNode(`[${alt === "" ? T.removedPicture : alt}]`));
    return;
  }
  for (const name of ["background", "poster", "data", "src", "srcset", "ping", "action"]) {
    node.removeAttribute(name);
  }
  const href = node.getAttribute("href");
  if (href === null) return;
  const target = leadsTo(href);
  if (target === null || node.tagName !== "A") {
    node.removeAttribute("href");
    return;
  }
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("title", target.href);
  // A link that reads like an address leads there, or says where it leads.
  const shown = (node.textContent ?? "").trim();
  if (!shown.includes(target.host) || target.host === "") {
    node.append(document.createTextNode(` [${target.host || target.href}]`));
  }
});

/** Where a link leads, its host spelled as the network has it; null for what is no link. */
export function leadsTo(href: string): URL | null {
  if (!LINK.test(href.trim())) return null;
  try {
    const url = new URL(href.trim());
    // Names and passwords before a host serve only to mislead.
    url.username = "";
    url.password = "";
    return url;
  } catch {
    return null;
  }
}

/**
 * HTML that somebody sent, made harmless: nothing that runs, loads, submits or leads a browser elsewhere.
 * It is shown in a frame of no origin, whose policy forbids the same things once more.
 */
export function sanitize(html: string): string {
  const body = purify.sanitize(html, {
    FORBID_TAGS: [
      "style",
      "form",
      "input",
      "button",
      "textarea",
      "select",
      "option",
      "svg",
      "math",
      "video",
      "audio",
      "source",
      "picture",
      "track",
      "dialog",
      "link",
      "meta",
      "base",
      "template",
      "slot",
    ],
    FORBID_ATTR: ["id", "name", "class", "autofocus", "tabindex", "accesskey", "popover"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto):|data:image\/(?:png|jpeg|gif|webp);)/i,
  });
  return '<!doctype html><html><head><meta charset="utf-8"><title>.</title><style>' +
    "html{color-scheme:light;background:#fff;color:#1b1f1d}" +
    "body{margin:16px;font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}" +
    "img,table{max-width:100%}a{color:#1f6f5c}" +
    `</style></head><body dir="auto">${body}</body></html>`;
}
