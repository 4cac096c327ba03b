import { assertEquals } from "@std/assert";
import { type Bytes, lp, utf8 } from "../../crypto/bytes.ts";
import { decodeHello } from "../../protocol/hello.ts";
import {
  decodeEvent,
  decodeRequest,
  decodeResponse,
  decodeVerdict,
} from "../../protocol/request.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { type JsonFile, type JsonKind, readVectors } from "./files.ts";

const files = [
  await readVectors<JsonFile>("json.json"),
  await readVectors<JsonFile>("json_additions.json"),
];
const valid = files.flatMap((file) => file.valid);
const malformed = files.flatMap((file) => file.malformed);

const READERS: Readonly<Record<JsonKind, (payload: Bytes) => unknown>> = {
  "hello": (payload) => decodeHello(lp(payload)),
  "request": decodeRequest,
  "verdict": decodeVerdict,
  "event": decodeEvent,
  "response to deliver": (payload) => decodeResponse("deliver", payload),
  "response to list": (payload) => decodeResponse("list", payload),
  "response to fetch": (payload) => decodeResponse("fetch", payload),
  "response to flag": (payload) => decodeResponse("flag", payload),
  "response to remove": (payload) => decodeResponse("remove", payload),
  "response to keys": (payload) => decodeResponse("keys", payload),
  "response to whoami": (payload) => decodeResponse("whoami", payload),
  "response to machines": (payload) => decodeResponse("machines", payload),
  "response to link-open": (payload) => decodeResponse("link-open", payload),
  "response to link-answer": (payload) => decodeResponse("link-answer", payload),
  "response to link-close": (payload) => decodeResponse("link-close", payload),
  "response to kit-put": (payload) => decodeResponse("kit-put", payload),
  "response to kit-drop": (payload) => decodeResponse("kit-drop", payload),
  "response to passwd": (payload) => decodeResponse("passwd", payload),
  "response to append": (payload) => decodeResponse("append", payload),
  "response to changes": (payload) => decodeResponse("changes", payload),
  "response to folders": (payload) => decodeResponse("folders", payload),
  "response to folder-make": (payload) => decodeResponse("folder-make", payload),
  "response to folder-drop": (payload) => decodeResponse("folder-drop", payload),
  "response to shared-get": (payload) => decodeResponse("shared-get", payload),
  "response to shared-put": (payload) => decodeResponse("shared-put", payload),
  "response to log": (payload) => decodeResponse("log", payload),
};

Deno.test("the vectors of JSON: what is valid is read, without members that are not known", async () => {
  await forEachCase(valid, ({ as, text, value }) => {
    assertEquals(READERS[as](utf8(text)), value);
  });
});

Deno.test("the vectors of JSON: everything malformed is refused", async () => {
  await forEachRefused(malformed, ({ as, text }) => READERS[as](utf8(text)));
});

Deno.test("the vectors of JSON: there is something valid and something malformed of each kind", () => {
  for (const kind of Object.keys(READERS)) {
    assertEquals([kind, valid.some(({ as }) => as === kind)], [kind, true]);
  }
  for (const kind of ["hello", "request", "verdict", "event"]) {
    assertEquals([kind, malformed.some(({ as }) => as === kind)], [kind, true]);
  }
});
