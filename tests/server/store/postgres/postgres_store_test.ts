import { openPostgresStore } from "../../../../server/store/postgres/postgres_store.ts";
import { NO_POSTGRES, sharedCluster } from "../../../support/postgres.ts";
import { testStoreContract } from "../store_contract.ts";

let made: Promise<string> | undefined;

testStoreContract(
  "PostgreSQL store",
  async () => {
    const cluster = await sharedCluster();
    const database = await (made ??= cluster.makeStore());
    return {
      open: () => openPostgresStore(cluster.options(database)),
      remove: () => cluster.emptyStore(database),
    };
  },
  NO_POSTGRES,
  4,
);
