import { assertEquals } from "@std/assert";
import {
  argon2id,
  type Argon2Params,
  DEFAULT_ARGON2,
  libraryArgon2,
  nativeArgon2,
} from "../../crypto/argon2.ts";
import { random, toHex, utf8 } from "../../crypto/bytes.ts";
import { assertRefusedAsync, testUnless } from "../support/testing.ts";

const noNative = nativeArgon2 === null ? "this runtime has no Argon2id of its own" : null;
const providers = nativeArgon2 === null ? [libraryArgon2] : [libraryArgon2, nativeArgon2];

const password = utf8("password");
const salt = utf8("somesalt");

for (const { name, derive } of providers) {
  Deno.test(`the ${name} Argon2id gives the results of the reference implementation`, async () => {
    // test.c of phc-winner-argon2: version 0x13, t = 2, "password", "somesalt".
    const known: [number, number, string][] = [
      [65536, 1, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"],
      [256, 1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"],
      [256, 2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"],
    ];
    for (const [memory, parallelism, hash] of known) {
      const params = { memory, passes: 2, parallelism };
      assertEquals(toHex(await derive(password, salt, params, 32)), hash);
    }
  });
}

testUnless(noNative, "native and library Argon2id give the same bytes", async () => {
  if (nativeArgon2 === null) throw new Error("not reached");
  const cases: [number, number, Argon2Params, number][] = [
    [1, 8, { memory: 8, passes: 1, parallelism: 1 }, 16],
    [256, 64, { memory: 128, passes: 16, parallelism: 16 }, 64],
    [12, 16, { memory: 1023, passes: 3, parallelism: 4 }, 33],
    [8, 16, DEFAULT_ARGON2, 32],
  ];
  for (const [passwordSize, saltSize, params, length] of cases) {
    const [p, s] = [random(passwordSize), random(saltSize)];
    assertEquals(
      toHex(await nativeArgon2.derive(p, s, params, length)),
      toHex(await libraryArgon2.derive(p, s, params, length)),
    );
  }
});

Deno.test("argon2id() gives what its provider gives, also to several callers at once", async () => {
  const params = { memory: 64, passes: 1, parallelism: 1 };
  const many = Array.from({ length: 8 }, (_, i) => utf8(`password ${i}`));
  const hashes = await Promise.all(many.map((p) => argon2id(p, salt, params, 32)));
  for (const [i, p] of many.entries()) {
    assertEquals(hashes[i], await libraryArgon2.derive(p, salt, params, 32));
  }
});

Deno.test("argon2id() refuses what is out of bounds before it spends anything", async () => {
  const good = { memory: 8, passes: 1, parallelism: 1 };
  const bad: Partial<Argon2Params>[] = [
    { memory: 7 },
    { memory: 1048577 },
    { memory: 2 ** 31 },
    { memory: 8.5 },
    { memory: 15, parallelism: 2 },
    { passes: 0 },
    { passes: 17 },
    { passes: NaN },
    { parallelism: 0 },
    { parallelism: 17, memory: 1024 },
  ];
  for (const change of bad) {
    const params = { ...good, ...change };
    await assertRefusedAsync("limit", () => argon2id(password, salt, params, 32));
  }
  await assertRefusedAsync("limit", () => argon2id(new Uint8Array(0), salt, good, 32));
  await assertRefusedAsync("limit", () => argon2id(password, random(7), good, 32));
  await assertRefusedAsync("limit", () => argon2id(password, random(65), good, 32));
  await assertRefusedAsync("limit", () => argon2id(password, salt, good, 3));
});
