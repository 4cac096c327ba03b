import type { Bytes } from "../../crypto/bytes.ts";
import type { Op } from "../../protocol/request.ts";
import { handleAppend } from "./append.ts";
import { handleChanges } from "./changes.ts";
import { handleDeliver } from "./deliver.ts";
import { handleFetch } from "./fetch.ts";
import { handleFlag } from "./flag.ts";
import { handleFolderDrop } from "./folder_drop.ts";
import { handleFolderMake } from "./folder_make.ts";
import { handleFolders } from "./folders.ts";
import { handleKeys } from "./keys.ts";
import { handleKitDrop, handleKitPut } from "./kit.ts";
import { handleLinkAnswer, handleLinkClose, handleLinkOpen } from "./link.ts";
import { handleList } from "./list.ts";
import { handleLog } from "./log.ts";
import { handleLogout } from "./logout.ts";
import { handleMachines } from "./machines.ts";
import { handleMembers } from "./members.ts";
import { handlePasswd } from "./passwd.ts";
import { handleRemove } from "./remove.ts";
import type { Handler, Reply, RequestContext, RequestOf } from "./request_context.ts";
import { handleRotateBegin } from "./rotate_begin.ts";
import { handleRotate } from "./rotate.ts";
import { handleRotations } from "./rotations.ts";
import { handleServerKeys } from "./server_keys.ts";
import { handleSharedGet } from "./shared_get.ts";
import { handleSharedPut } from "./shared_put.ts";
import { handleUpload } from "./upload.ts";
import { handleWhoami } from "./whoami.ts";

/** The handler of each request (PROTOCOL.md, section 10). */
const HANDLERS: { readonly [O in Op]: Handler<O> } = {
  deliver: handleDeliver,
  append: handleAppend,
  upload: handleUpload,
  list: handleList,
  changes: handleChanges,
  fetch: handleFetch,
  flag: handleFlag,
  remove: handleRemove,
  folders: handleFolders,
  "folder-make": handleFolderMake,
  "folder-drop": handleFolderDrop,
  "shared-get": handleSharedGet,
  "shared-put": handleSharedPut,
  keys: handleKeys,
  log: handleLog,
  whoami: handleWhoami,
  machines: handleMachines,
  members: handleMembers,
  "link-open": handleLinkOpen,
  "link-answer": handleLinkAnswer,
  "link-close": handleLinkClose,
  "kit-put": handleKitPut,
  "kit-drop": handleKitDrop,
  passwd: handlePasswd,
  logout: handleLogout,
  rotations: handleRotations,
  "server-keys": handleServerKeys,
  "rotate-begin": handleRotateBegin,
  rotate: handleRotate,
};

/** Serves a request; see {@linkcode Handler}. */
export function handleRequest<O extends Op>(
  request: RequestOf<O>,
  context: RequestContext,
  data: AsyncIterable<Bytes>,
): Promise<Reply<O>> {
  const handler: Handler<O> = HANDLERS[request.op];
  return handler(request, context, data);
}
