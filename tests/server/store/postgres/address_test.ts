import { assertEquals } from "@std/assert";
import { parsePostgresAddress } from "../../../../server/store/postgres/address.ts";
import { assertRefused } from "../../../support/testing.ts";

Deno.test("the address of a store names its hosts, user and database", () => {
  assertEquals(parsePostgresAddress("postgres://mail@127.0.0.1/sealpost"), {
    hosts: [{ host: "127.0.0.1", port: 5432 }],
    user: "mail",
    database: "sealpost",
    rootCertificates: null,
    tls: false,
  });
  const several = parsePostgresAddress(
    "postgres://mail@db1,db2:6000/sealpost?target_session_attrs=read-write&sslrootcert=/etc/ca.pem",
  );
  assertEquals(several.hosts, [{ host: "db1", port: 5432 }, { host: "db2", port: 6000 }]);
  assertEquals([several.rootCertificates, several.tls], ["/etc/ca.pem", true]);
});

Deno.test("beyond the loopback addresses the database's certificate is verified, by its name", () => {
  for (const host of ["localhost", "127.0.0.3:6000"]) {
    assertEquals(parsePostgresAddress(`postgres://mail@${host}/sealpost`).tls, false);
  }
  for (const host of ["db1", "localhost,db1", "127.db1"]) {
    assertEquals(parsePostgresAddress(`postgres://mail@${host}/sealpost`).tls, true);
  }
  for (const host of ["192.0.2.1", "db1,192.0.2.1", "[2001:db8::1]", "db1,127.0.0.1"]) {
    assertRefused("usage", () => parsePostgresAddress(`postgres://mail@${host}/sealpost`));
  }
});

Deno.test("what is no address is refused, and a password in one is not repeated", () => {
  const wrong = [
    "postgres://mail:hunter2@127.0.0.1/sealpost",
    "postgres://:hunter2@127.0.0.1/sealpost",
    "postgres://mail%3Ahunter2@127.0.0.1/sealpost",
    "postgres://mail%zz@127.0.0.1/sealpost",
    "postgres://mail@127.0.0.1/sealpost%",
    "postgres://127.0.0.1/sealpost",
    "postgres://mail@127.0.0.1",
    "mysql://mail@127.0.0.1/sealpost",
    "postgres://mail@127.0.0.1/sealpost?sslmode=disable",
    "postgres://mail@127.0.0.1/sealpost?password=hunter2",
  ];
  for (const text of wrong) {
    const { message } = assertRefused("usage", () => parsePostgresAddress(text));
    assertEquals(message.includes("hunter2"), false, message);
  }
});
