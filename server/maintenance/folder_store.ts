import { SealpostError } from "../../crypto/error.ts";
import { settingsAround } from "../settings/environment.ts";
import { loadSettings } from "../settings/settings.ts";

/**
 * Throws `config` if the mail of the server in `dir` is in a database, for what only knows that of a
 * folder.
 */
export async function requireFolderStore(dir: string): Promise<void> {
  const { store } = (await loadSettings(dir, { environment: settingsAround() })).values;
  if (store === null) return;
  throw new SealpostError(
    "config",
    `the mail of this server is in ${store}, which this command does not know; use PostgreSQL's own ` +
      'means (docs/OPERATING.md, "Several servers")',
  );
}
