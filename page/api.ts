import type { DraftFileView, ErrorView, PageEvent } from "../client/web/types.ts";

/** The second token: held here, in memory, and nowhere else. */
let bearer = "";

/** What the program refused, or could not do. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** Called when the program does not know this page any more, or is gone. */
let onClosed = () => {};

/** Has `closed` called when this page can do nothing any more. */
export function whenClosed(closed: () => void): void {
  onClosed = closed;
}

function headers(): Record<string, string> {
  return { "Content-Type": "application/json", Authorization: `Bearer ${bearer}` };
}

/** Exchanges the token of a link for what lets this page in. Throws {@linkcode Refused}. */
export async function enter(token: string): Promise<void> {
  const answer = await fetch("/api/enter", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Refused(value.code, value.message);
  bearer = value.bearer;
}

/** Has the program do something; what it answers. Throws {@linkcode Refused}. */
export async function ask<T = void>(name: string, input: unknown = {}): Promise<T> {
  const answer = await attempt(() => {
    return fetch(`/api/${name}`, {
      method: "POST",
      headers: headers(),
      body: JSON.stringify(input),
    });
  });
  const value = await answer.json();
  if (answer.ok) return value;
  throw refused(answer.status, value);
}

/** Fetches, and says so if the program is gone. */
async function attempt(fetching: () => Promise<Response>): Promise<Response> {
  try {
    return await fetching();
  } catch {
    onClosed();
    throw new Refused("closed", "the program has ended");
  }
}

function refused(status: number, { code, message }: ErrorView): Refused {
  if (status === 401) onClosed();
  return new Refused(code, message);
}

/** Listens to what the program tells by itself, until it ends. */
export async function listen(told: (event: PageEvent) => void): Promise<void> {
  const answer = await attempt(() => {
    return fetch("/api/events", { method: "POST", headers: headers(), body: "{}" });
  });
  if (answer.status !== 200 || !answer.body) return onClosed();
  let text = "";
  try {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const event = text.slice(0, end);
        text = text.slice(end + 2);
        if (event.startsWith("data: ")) told(JSON.parse(event.slice(6)));
      }
    }
  } catch {
    // The program has ended in the middle.
  }
  onClosed();
}

/** How long something goes on before it is said when it ends, milliseconds. */
const PATIENCE = 1000;

/**
 * Gives a file to the program, to go with a draft; null if `signal` ends it before. `progress` is told the
 * part of it that went, and in how many seconds the rest will have gone, once that can be said.
 */
export function upload(
  draft: string,
  file: File,
  signal: AbortSignal,
  progress: (share: number, left: number | null) => void,
): Promise<DraftFileView | null> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    // fetch does not say how much has gone.
    const request = new XMLHttpRequest();
    const query = new URLSearchParams({ draft, name: file.name || "pasted.png" });
    request.open("POST", `/api/upload?${query}`);
    request.setRequestHeader("Authorization", `Bearer ${bearer}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => {
      const elapsed = performance.now() - start;
      const left = loaded > 0 && elapsed > PATIENCE
        ? elapsed * (total - loaded) / loaded / 1000
        : null;
      progress(total > 0 ? loaded / total : 1, left);
    };
    request.onabort = () => resolve(null);
    signal.addEventListener("abort", () => request.abort());
    request.onload = () => {
      const value = JSON.parse(request.responseText);
      if (request.status === 200) resolve(value);
      else reject(refused(request.status, value));
    };
    request.onerror = () => reject(new Refused("closed", "the file did not get through"));
    request.send(file);
  });
}

/** The address of a file of a message, good for one time. */
export async function filePath(uid: number, index: number, picture: boolean): Promise<string> {
  return (await ask<{ path: string }>("get-file", { uid, index, picture })).path;
}

/** The address of HTML that was made harmless, good for one time. */
export async function htmlPath(html: string): Promise<string> {
  return (await ask<{ path: string }>("show-html", { html })).path;
}
