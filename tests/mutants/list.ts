import type { Mutant } from "./mutant.ts";
import { OF_BRIDGE } from "./of_bridge.ts";
import { OF_CRYPTO } from "./of_crypto.ts";
import { OF_HANDSHAKE } from "./of_handshake.ts";
import { OF_KEEPING } from "./of_keeping.ts";
import { OF_KEY_LOG } from "./of_key_log.ts";
import { OF_MACHINES } from "./of_machines.ts";
import { OF_MESSAGES } from "./of_messages.ts";
import { OF_PEOPLE } from "./of_people.ts";
import { OF_READING } from "./of_reading.ts";
import { OF_RECORDS } from "./of_records.ts";
import { OF_ROTATION } from "./of_rotation.ts";
import { OF_SERVER } from "./of_server.ts";
import { OF_THIS_MACHINE } from "./of_this_machine.ts";
import { OF_WEB } from "./of_web.ts";

/** The breakages, none of which may survive the tests. */
export const MUTANTS: readonly Mutant[] = [
  ...OF_CRYPTO,
  ...OF_HANDSHAKE,
  ...OF_RECORDS,
  ...OF_MESSAGES,
  ...OF_READING,
  ...OF_SERVER,
  ...OF_KEEPING,
  ...OF_ROTATION,
  ...OF_KEY_LOG,
  ...OF_PEOPLE,
  ...OF_THIS_MACHINE,
  ...OF_BRIDGE,
  ...OF_WEB,
  ...OF_MACHINES,
];

/** Tests of one file; with `filter`, a pattern, only those with such a name. */
export interface Tests {
  /** Under tests/, without `_test.ts`. */
  readonly file: string;
  readonly filter?: string;
}

/** The tests that a mutant in a file has to fall to. */
export const NEAREST: Readonly<Record<string, readonly (string | Tests)[]>> = {
  "client/bridge/imap/session.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/selected.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/output.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/commands/select.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/commands/store.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/commands/expunge.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/commands/fetch.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/commands/append.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/commands/authenticate.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/section.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/search_condition.ts": ["client/bridge/imap/session"],
  "client/bridge/imap/parser.ts": ["client/bridge/imap/parser"],
  "client/bridge/imap/sequence_set.ts": ["client/bridge/imap/parser"],
  "client/bridge/imap/structure.ts": ["client/bridge/imap/parser"],
  "client/bridge/imap/mailbox_name.ts": ["client/bridge/imap/parser"],
  "client/state/drafts.ts": ["client/state/drafts"],
  "client/bridge/given.ts": ["client/bridge/given"],
  "client/bridge/password.ts": ["client/bridge/password"],
  "crypto/safety_number.ts": ["crypto/safety_number"],
  "protocol/contact_card.ts": ["protocol/contact_card"],
  "client/web/gate.ts": ["client/web/gate"],
  "client/web/pictures.ts": ["client/web/pictures"],
  "client/trust/verification.ts": ["client/state/pins"],
  "client/state/unlocked.ts": ["client/state/unlocked"],
  "client/terminal/terminal.ts": ["e2e/secret_input"],
  "client/commands/send.ts": ["e2e/secret_input"],
  "client/session.ts": ["e2e/secret_input"],
  "client/terminal/programs.ts": ["client/terminal/programs"],
  "client/state/profile.ts": ["e2e/prepared_folder"],
  "files/own_folders.ts": ["e2e/prepared_folder"],
  "files/server_folder.ts": ["e2e/prepared_folder"],
  "server/requests/logout.ts": ["server/requests/logout"],
  "crypto/aes_gcm.ts": ["crypto/aes_gcm", "crypto/strictness"],
  "crypto/bytes.ts": ["crypto/bytes"],
  "crypto/hash.ts": ["crypto/hash", "vectors/kem", "protocol/noise"],
  "crypto/x25519.ts": ["crypto/x25519", "vectors/handshake"],
  "crypto/ed25519.ts": ["crypto/ed25519"],
  "crypto/rsa.ts": ["crypto/rsa", "vectors/keys", "crypto/strictness"],
  "crypto/kem.ts": ["vectors/kem", "crypto/strictness", "crypto/kem"],
  "crypto/ml_kem.ts": ["crypto/ml_kem"],
  "crypto/identity.ts": ["vectors/keys", "crypto/identity"],
  "crypto/pkcs8.ts": ["crypto/pkcs8"],
  "crypto/phc.ts": ["crypto/phc"],
  "crypto/der.ts": ["crypto/der"],
  "crypto/padme.ts": ["crypto/padme"],
  "crypto/stream.ts": ["crypto/stream"],
  "protocol/noise.ts": ["protocol/noise", "vectors/handshake"],
  "protocol/steps.ts": ["protocol/steps"],
  "protocol/handshake.ts": ["vectors/handshake", "protocol/handshake"],
  "protocol/login.ts": ["protocol/login", "vectors/handshake"],
  "protocol/hello.ts": ["vectors/json", "protocol/login", "protocol/handshake"],
  "protocol/resumption.ts": ["vectors/resumption", "protocol/resumption"],
  "protocol/timing_grid.ts": ["protocol/timing_grid"],
  "protocol/record.ts": ["vectors/records", "protocol/record"],
  "protocol/frame.ts": ["vectors/frames", "protocol/frame"],
  "protocol/request.ts": ["vectors/json", "vectors/frames", "protocol/request"],
  "protocol/connection.ts": ["protocol/connection"],
  "protocol/byte_stream.ts": ["protocol/byte_stream", "protocol/connection"],
  "protocol/file_key.ts": ["vectors/messages", "protocol/sealed"],
  "protocol/stanza.ts": ["vectors/messages", "protocol/lane", "protocol/sealed"],
  "protocol/lane.ts": ["protocol/lane", "vectors/messages"],
  "protocol/summary.ts": ["vectors/messages", "protocol/summary"],
  "protocol/note.ts": ["vectors/messages", "protocol/summary"],
  "protocol/body.ts": ["vectors/messages", "protocol/body"],
  "protocol/envelope.ts": ["vectors/messages", "protocol/envelope"],
  "protocol/change.ts": ["protocol/change"],
  "protocol/shared_record.ts": ["vectors/shared", "protocol/shared_record"],
  "client/mailbox/shared_record.ts": ["client/mailbox/shared_record"],
  "client/mailbox/own_names.ts": ["client/mailbox/own_names"],
  "protocol/entry.ts": ["vectors/messages", "protocol/entry"],
  "protocol/header.ts": ["vectors/messages", "protocol/sealed"],
  "protocol/uuid.ts": ["vectors/messages", "protocol/uuid"],
  "protocol/name.ts": ["protocol/name", "vectors/json"],
  "protocol/schema.ts": ["vectors/json"],
  "protocol/link.ts": ["vectors/links", "protocol/link"],
  "client/setup/machine.ts": ["client/setup/machine"],
  "protocol/kit.ts": ["vectors/links", "protocol/kit"],
  "protocol/device_package.ts": ["protocol/device_package"],
  "server/accounts/links.ts": ["server/accounts/links"],
  "server/requests/kit.ts": ["server/visit"],
  "cli/printable.ts": ["cli/printable"],
  "cli/rights.ts": [{ file: "cli/cli", filter: "/keeps no right/" }],
  "commands/editor.ts": [{ file: "cli/cli", filter: "/keeps no right/" }],
  "client/trust/people.ts": ["vectors/messages"],
  "client/message/unseal.ts": ["vectors/messages"],
  "client/mailbox/open.ts": ["adversary/malicious_server"],
  "server/session.ts": ["server/session"],
  "server/accounts/users.ts": ["server/accounts/tickets"],
  "server/accounts/tickets.ts": ["server/accounts/tickets"],
  "server/requests/dispatcher.ts": [{
    file: "server/requests/dispatcher",
    filter: "/small data frames/",
  }, {
    file: "adversary/malicious_client",
    filter: "/ids that belong/",
  }],
  "protocol/rotation.ts": ["vectors/rotation", "protocol/rotation"],
  "protocol/key_log.ts": ["vectors/key_log"],
  "protocol/fork_proof.ts": ["vectors/key_log"],
  "client/trust/key_log.ts": ["adversary/key_log"],
  "server/store/key_log_rows.ts": ["server/store/key_log"],
  "server/admission/penalties.ts": ["server/admission/penalties"],
  "server/accounts/server_keys.ts": ["server/accounts/server_keys"],
  "client/connection/follow_server.ts": ["client/connection/follow_server"],
  "server/maintenance/row_check.ts": ["server/store/key_log"],
  "files/next_keys.ts": ["files/next_keys"],
  "server/requests/rotate_begin.ts": ["server/requests/rotate"],
  "server/login.ts": [
    "server/requests/rotate",
    { file: "server/login", filter: "/keeps its place/" },
  ],
  "server/visit.ts": [
    "server/visit",
    "server/requests/rotate",
    { file: "server/login", filter: "/keeps its place/" },
  ],
  "server/requests/rotate.ts": ["server/requests/rotate"],
  "files/atomic_file.ts": ["files/sqlite"],
  "files/sqlite.ts": ["files/sqlite"],
  "client/state/lanes.ts": ["client/state/lanes"],
  "client/state/outbox.ts": ["client/state/outbox"],
  "client/state/pins.ts": ["client/state/pins", "adversary/rotation"],
  "client/state/mailbox_memory.ts": ["client/state/mailbox_memory"],
  "client/message/attachments.ts": ["client/message/attachments"],
  "client/message/parse.ts": ["client/message/parse", "client/message/mail_of_others"],
  "client/message/charsets.ts": ["client/message/parse"],
  "client/state/state.ts": ["client/state/state"],
  "protocol/plaintext.ts": ["client/connection/reconnecting_connection"],
  "client/connection/reconnecting_connection.ts": [
    "client/connection/reconnecting_connection",
  ],
  "client/state/cache.ts": ["client/state/cache", "e2e/deletion"],
  "client/mailbox/forget.ts": ["e2e/deletion"],
  "client/mailbox/deliver.ts": ["e2e/new_key"],
  "client/mailbox/sync.ts": ["client/mailbox/sync"],
  "client/sync_drafts.ts": [{
    file: "client/sync_drafts",
    filter: "/goes when it is sent or thrown away/",
  }],
  "client/mailbox/changes.ts": ["client/mailbox/sync", "adversary/malicious_server"],
  "files/key_files.ts": [{ file: "keygen", filter: "/is its owner's alone/" }],
  "server/admission/login_throttle.ts": ["server/admission/login_throttle"],
  "server/admission/connection_limiter.ts": ["server/admission/connection_limiter"],
  "server/admission/timed_stream.ts": ["server/admission/connection_limiter"],
  "server/store/statements.ts": [{
    file: "server/store/sqlite_store",
    filter: "/a key is bound once|a move gives another number/",
  }, { file: "server/visit", filter: "/a kit is kept/" }],
  "server/store/sqlite_store.ts": [
    {
      file: "server/store/sqlite_store",
      filter: "/left for another|taken away|still allowed|a move gives|too old|has seen the last/",
    },
    { file: "server/store/key_log", filter: "/is a record of the log/" },
  ],
  "server/store/delivery_journal.ts": ["server/store/delivery_journal"],
  "server/store/replay.ts": ["server/store/delivery_journal"],
  "server/store/commit_queue.ts": ["server/store/delivery_journal"],
  "server/store/mailbox_rows.ts": [
    { file: "server/store/delivery_journal", filter: "/made again/" },
    { file: "adversary/malicious_client", filter: "/no key to what was stored/" },
    { file: "server/store/key_log", filter: "/is a record of the log/" },
  ],
  "server/maintenance/backup.ts": [
    { file: "server/maintenance/backup", filter: "/in its journal alone/" },
  ],
  "server/store/body_files.ts": [{ file: "server/store/sqlite_store", filter: "/owner alone/" }],
  "server/maintenance/restore.ts": [{
    file: "server/maintenance/restore",
    filter: "/tickets do not come back/",
  }],
  "server/requests/deliver.ts": [
    { file: "server/requests/deliver", filter: "/too many messages/" },
    { file: "adversary/malicious_client", filter: "/have other keys|contradicts the request/" },
  ],
};
