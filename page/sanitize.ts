import DOMPurify from "dompurify";
import { Refused } from "./api.ts";
import { T } from "./texts.ts";

/** Addresses that a link may lead to. */
const LINK = /^(?:https?|mailto):/i;
/** Pictures that a message contains itself, of kinds that run nothing. */
const OWN_PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/i;

const purify = DOMPurify(window);

purify.addHook("afterSanitizeAttributes", (node) => {
  const style = node.getAttribute("style");
  if (style !== null) node.setAttribute("style", harmlessStyle(style));
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
  node.setAttribute("href", target.href);
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("title", target.href);
  // Its letters stand in their order, whatever is written around it: this isolates it.
  node.setAttribute("dir", "auto");
});

/** Styles that change how something looks, and neither where it is nor whether it can be seen. */
const KEPT_STYLE =
  /^(?:color|background-color|font-.+|text-(?:align|decoration-.+)|vertical-align|white-space-collapse|list-style-type|border-.+|padding-.+|width|max-width)$/;

/** Of the styles of an element, what {@linkcode KEPT_STYLE} says; nothing that is fetched or computed. */
function harmlessStyle(text: string): string {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`a{${text}}`);
  const [rule] = sheet.cssRules;
  if (!(rule instanceof CSSStyleRule)) return "";
  return [...rule.style].filter((name) => KEPT_STYLE.test(name))
    .map((name) => `${name}:${rule.style.getPropertyValue(name)}`)
    .filter((one) => !/(?:url|var|calc|attr|image)[\w-]*\(/i.test(one))
    .join(";");
}

/** How a note looks that says where a link leads, whatever the message says of how things look. */
const NOTE = "all:initial;font:14px system-ui,sans-serif;color:#1b1f1d;background:#fff;" +
  "overflow-wrap:anywhere";

/** Has every link say where it leads whose text is not just that. */
function noteLinks(body: Element): void {
  for (const link of body.querySelectorAll("a[href]")) {
    const target = leadsTo(link.getAttribute("href") ?? "");
    if (!target) continue;
    const plain = link.children.length === 0 && !link.hasAttribute("style");
    if (plain && saysWhere((link.textContent ?? "").trim(), target)) continue;
    const note = body.ownerDocument.createElement("span");
    note.setAttribute("style", NOTE);
    note.setAttribute("dir", "ltr");
    note.textContent = ` [${target.host || target.href}]`;
    link.after(note);
  }
}

/** Whether a text is where a link leads: its host, or its address from the beginning. */
export function saysWhere(shown: string, { host, origin, href, protocol }: URL): boolean {
  if (!/^[\x21-\x7e]+$/.test(shown)) return false;
  if (protocol === "mailto:") return shown === href || `${protocol}${shown}` === href;
  if (shown === host || shown === origin) return true;
  return shown.startsWith(origin) && /[/?#]/.test(shown.charAt(origin.length));
}

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
  // What begins with frames has no body unless one is begun for it.
  const body = purified(html) ?? purified(`<body>${html}`);
  if (!body) throw new Refused("internal", T.htmlUnread);
  noteLinks(body);
  return '<!doctype html><html><head><meta charset="utf-8"><title>.</title><style>' +
    "html{color-scheme:light;background:#fff;color:#1b1f1d}" +
    "body{margin:16px;font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}" +
    "img,table{max-width:100%}a{color:#1f6f5c}" +
    `</style></head><body dir="auto">${body.innerHTML}</body></html>`;
}

/** The body of `html` without what does harm; null if it has none. */
function purified(html: string): Element | null {
  return purify.sanitize(html, {
    RETURN_DOM: true,
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
      "marquee",
      "details",
      "bdo",
    ],
    FORBID_ATTR: ["id", "name", "class", "autofocus", "tabindex", "accesskey", "popover"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto):|data:image\/(?:png|jpeg|gif|webp);)/i,
  });
}
