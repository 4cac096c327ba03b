/** What is announced before the login. */
export const BEFORE_LOGIN = [
  "IMAP4rev1",
  "LITERAL+",
  "SASL-IR",
  "ID",
  "ENABLE",
  "AUTH=PLAIN",
  "AUTH=LOGIN",
] as const;

/** What is announced once somebody has logged in. */
const LOGGED_IN = [
  "IMAP4rev1",
  "LITERAL+",
  "ID",
  "ENABLE",
  "IDLE",
  "UIDPLUS",
  "MOVE",
  "SPECIAL-USE",
  "NAMESPACE",
  "LIST-EXTENDED",
  "LIST-STATUS",
  "UNSELECT",
  "CONDSTORE",
  "QRESYNC",
  "ESEARCH",
  "OBJECTID",
  "STATUS=SIZE",
  "UTF8=ACCEPT",
  "INPROGRESS",
] as const;

/** The capabilities; `appendLimit`: the largest message of whoever has logged in, bytes. */
export function capabilities(appendLimit: number | null): string {
  return (appendLimit === null ? BEFORE_LOGIN : [...LOGGED_IN, `APPENDLIMIT=${appendLimit}`])
    .join(" ");
}
