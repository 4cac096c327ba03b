import type { ImapCommand } from "../command.ts";
import { APPEND } from "./append.ts";
import { AUTHENTICATE } from "./authenticate.ts";
import { CAPABILITY } from "./capability.ts";
import { CLOSE, UNSELECT } from "./close.ts";
import { COPY, MOVE } from "./copy.ts";
import { CREATE } from "./create.ts";
import { DELETE } from "./delete.ts";
import { ENABLE } from "./enable.ts";
import { EXPUNGE } from "./expunge.ts";
import { FETCH } from "./fetch.ts";
import { ID } from "./id.ts";
import { IDLE } from "./idle.ts";
import { LIST, LSUB } from "./list.ts";
import { LOGIN } from "./login.ts";
import { LOGOUT } from "./logout.ts";
import { NAMESPACE } from "./namespace.ts";
import { CHECK, NOOP } from "./noop.ts";
import { RENAME } from "./rename.ts";
import { SEARCH } from "./search.ts";
import { EXAMINE, SELECT } from "./select.ts";
import { STATUS } from "./status.ts";
import { STORE } from "./store.ts";
import { SUBSCRIBE, UNSUBSCRIBE } from "./subscribe.ts";

/** The commands by their names. */
export const COMMANDS: ReadonlyMap<string, ImapCommand> = new Map(Object.entries({
  APPEND,
  AUTHENTICATE,
  CAPABILITY,
  CHECK,
  CLOSE,
  COPY,
  CREATE,
  DELETE,
  ENABLE,
  EXAMINE,
  EXPUNGE,
  FETCH,
  ID,
  IDLE,
  LIST,
  LOGIN,
  LOGOUT,
  LSUB,
  MOVE,
  NAMESPACE,
  NOOP,
  RENAME,
  SEARCH,
  SELECT,
  STATUS,
  STORE,
  SUBSCRIBE,
  UNSELECT,
  UNSUBSCRIBE,
}));
