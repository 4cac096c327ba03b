import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { aesOpen, aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { concat, fromHex, toHex } from "../../crypto/bytes.ts";
import { importEd25519Public, verify } from "../../crypto/ed25519.ts";
import { hkdf } from "../../crypto/hash.ts";
import { libraryMlKem, nativeMlKem } from "../../crypto/ml_kem.ts";
import { importRsaPrivate, importRsaPublic, rsaDecrypt, rsaEncrypt } from "../../crypto/rsa.ts";
import { agree, importX25519Private } from "../../crypto/x25519.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { type Case, vectorTest } from "./vectors.ts";

interface AeadGroup {
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
}

interface AeadCase extends Case {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

vectorTest<AeadGroup, AeadCase>(
  "aesSeal() and aesOpen() agree with Wycheproof's AES-256-GCM cases",
  "aes_gcm_test.json",
  66,
  async (c, group) => {
    if (group.keySize !== 256 || group.ivSize !== 96 || group.tagSize !== 128) return false;
    const [iv, aad, msg] = [fromHex(c.iv), fromHex(c.aad), fromHex(c.msg)];
    const sealed = concat(fromHex(c.ct), fromHex(c.tag));
    const key = await importAesKey(fromHex(c.key));
    if (c.result === "valid") {
      assertEquals(await aesSeal(key, iv, msg, aad), sealed);
      assertEquals(await aesOpen(key, iv, sealed, aad), msg);
    } else {
      await assertRefusedAsync("authentication", () => aesOpen(key, iv, sealed, aad));
    }
  },
);

interface HkdfCase extends Case {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}

vectorTest<unknown, HkdfCase>(
  "hkdf() agrees with Wycheproof's HKDF-SHA-256 cases",
  "hkdf_sha256_test.json",
  86,
  async (c) => {
    const result = () => hkdf(fromHex(c.ikm), fromHex(c.salt), fromHex(c.info), c.size);
    if (c.result === "valid") assertEquals(toHex(await result()), c.okm);
    else await assertRejects(result, RangeError);
  },
);

interface XdhCase extends Case {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
}

vectorTest<unknown, XdhCase>(
  "agree() agrees with Wycheproof's X25519 cases and refuses every all-zero secret",
  "x25519_test.json",
  518,
  async (c) => {
    const key = await importX25519Private(fromHex(c.private));
    if (/^0+$/.test(c.shared)) {
      assertEquals(c.result, "acceptable");
      await assertRefusedAsync("authentication", () => agree(key, fromHex(c.public)));
    } else {
      // "Acceptable" are also keys on the twist or not canonical: RFC 7748 gives them a result.
      assertEquals(toHex(await agree(key, fromHex(c.public))), c.shared);
    }
  },
);

interface EddsaGroup {
  readonly publicKeyDer: string;
}

interface EddsaCase extends Case {
  readonly msg: string;
  readonly sig: string;
}

vectorTest<EddsaGroup, EddsaCase>(
  "verify() agrees with Wycheproof's Ed25519 cases",
  "ed25519_test.json",
  151,
  async (c, group) => {
    const key = await importEd25519Public(fromHex(group.publicKeyDer));
    assertEquals(await verify(key, fromHex(c.sig), fromHex(c.msg)), c.result === "valid");
  },
);

interface OaepGroup {
  readonly privateKeyPkcs8: string;
}

interface OaepCase extends Case {
  readonly msg: string;
  readonly ct: string;
  readonly label: string;
}

vectorTest<OaepGroup, OaepCase>(
  "rsaDecrypt() agrees with Wycheproof's RSA-OAEP cases of 3072 bits and SHA-256",
  "rsa_oaep_3072_sha256_mgf1sha256_test.json",
  37,
  async (c, group) => {
    const { key, spki } = await importRsaPrivate(fromHex(group.privateKeyPkcs8));
    const decrypted = await rsaDecrypt(key, fromHex(c.ct));
    // We use no label, so a ciphertext with one is as good as any other that is not for us.
    if (c.result === "valid" && c.label === "") {
      assertEquals(decrypted, fromHex(c.msg));
      const own = await rsaEncrypt((await importRsaPublic(spki)).key, fromHex(c.msg));
      assertEquals(await rsaDecrypt(key, own), fromHex(c.msg));
    } else {
      assertEquals(decrypted, null);
    }
  },
);

interface MlKemCase extends Case {
  readonly seed: string;
  readonly ek?: string;
  readonly c: string;
  readonly K: string;
}

for (const provider of [libraryMlKem, ...(nativeMlKem === null ? [] : [nativeMlKem])]) {
  vectorTest<unknown, MlKemCase>(
    `ML-KEM-768 of the ${provider.name} provider agrees with Wycheproof's cases`,
    "mlkem_768_test.json",
    193,
    async (c) => {
      const [seed, ciphertext] = [fromHex(c.seed), fromHex(c.c)];
      if (c.result === "valid") {
        const loaded = await provider.load(seed);
        assertEquals(toHex(loaded.publicKey), c.ek);
        assertEquals(toHex(await loaded.decapsulate(ciphertext)), c.K);
        const own = await provider.encapsulate(loaded.publicKey);
        assertEquals(await loaded.decapsulate(own.ciphertext), own.secret);
        assertNotEquals(toHex(own.secret), c.K);
      } else {
        await assertRefusedAsync("format", () => provider.decapsulate(seed, ciphertext));
      }
    },
  );
}
