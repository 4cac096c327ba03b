import { assert, assertEquals } from "@std/assert";
import { openPostgresStore } from "../../../../server/store/postgres/postgres_store.ts";
import { missingOpenssl } from "../../../interop/node.ts";
import { Cluster, NO_POSTGRES } from "../../../support/postgres.ts";
import { testUnless } from "../../../support/testing.ts";
import { waitFor } from "../../../support/wait.ts";
import { assertCode } from "../store_contract.ts";

/** Makes, in the folder $1, an authority and by it certificates of the names that follow; prints its own. */
const CERTIFICATES = `
set -e
cd "$1"; shift
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=authority -days 30
for name; do
  openssl req $new -keyout "$name.key" -out "$name.csr" -subj "/CN=$name"
  printf 'subjectAltName=DNS:%s' "$name" >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$name.pem" \\
    -days 30 -extfile "$name.ext"
  if [ "$(id -u)" = 0 ]; then chown postgres "$name.key"; fi
  chmod 600 "$name.key"
done
cat ca.pem
`;

testUnless(
  NO_POSTGRES ?? missingOpenssl,
  "a database is used over TLS only if its certificate is for its name, by an authority that is known",
  async () => {
    const cluster = await Cluster.start();
    try {
      const { success, stdout } = await new Deno.Command("sh", {
        args: ["-c", CERTIFICATES, "sh", cluster.folder, "localhost", "elsewhere"],
        stdin: "null",
        stderr: "null",
      }).output();
      assert(success);
      const authority = new TextDecoder().decode(stdout);
      const database = await cluster.makeStore();
      const { address, ...rest } = cluster.options(database);
      const options = {
        ...rest,
        address: { ...address, tls: true, hosts: [{ host: "localhost", port: cluster.port }] },
        patience: 100,
      };
      const certificates = authority;
      // A server without TLS is not spoken to without it.
      await assertCode("busy", () => openPostgresStore({ ...options, certificates }));
      await cluster.administer("ALTER SYSTEM SET ssl = on");
      for (const name of ["localhost", "elsewhere"]) {
        const { folder } = cluster;
        await cluster.administer(`ALTER SYSTEM SET ssl_cert_file = '${folder}/${name}.pem'`);
        await cluster.administer(`ALTER SYSTEM SET ssl_key_file = '${folder}/${name}.key'`);
        await cluster.administer("SELECT pg_reload_conf()");
        await waitFor("the certificate", () =>
          cluster.within("postgres", async (pool) => {
            const [row] = await pool.query("SELECT current_setting('ssl_cert_file') AS now");
            return row?.["now"] === `${folder}/${name}.pem` ? true : null;
          }));
        const unknown = await assertCode(
          "config",
          () => openPostgresStore({ ...options, certificates: null }),
        );
        assert(unknown.message.includes("not who it should be"), unknown.message);
        if (name === "elsewhere") {
          await assertCode("config", () => openPostgresStore({ ...options, certificates }));
          continue;
        }
        const store = await openPostgresStore({ ...options, certificates });
        assertEquals(await store.account("nobody"), null);
        await store.close();
      }
    } finally {
      cluster.stop();
    }
  },
);
