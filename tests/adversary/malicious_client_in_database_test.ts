// What malicious_client_test.ts does, to a server with its mail in a database; but for what looks at files.

import { FULL, testInFullUnless } from "../support/full.ts";
import { NO_POSTGRES } from "../support/postgres.ts";
import { keepMailInDatabases } from "./in_database.ts";

if (FULL && NO_POSTGRES === null) {
  keepMailInDatabases();
  await import("./malicious_client/logins.ts");
  await import("./malicious_client/requests.ts");
  await import("./malicious_client/uploads.ts");
  await import("./malicious_client/frames.ts");
} else if (NO_POSTGRES !== null) {
  testInFullUnless(NO_POSTGRES, "a server with its mail in a database stands attacks", () => {});
}
