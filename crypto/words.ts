import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { type Bytes, owned } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** How many words stand for a code that is typed: 16 or 32 bytes (BIP-39). */
export type WordCount = 12 | 24;

/**
 * How many words two people compare: 66 bits, which nobody who makes up posts of their own meets within
 * the life of a link.
 */
const COMPARED_WORDS = 6;
/** The bytes that these are in. */
const COMPARED_BYTES = 9;
/** Bits that a word of the list stands for. */
const WORD_BITS = 11;

/**
 * The words of BIP-39's English list that stand for `entropy`, 16 or 32 bytes: 12 or 24 words with a
 * checksum of 4 or 8 bits in the last. Throws RangeError for another length.
 */
export function wordsOf(entropy: Bytes): string[] {
  if (entropy.length !== 16 && entropy.length !== 32) {
    throw new RangeError("words stand for 16 or 32 bytes");
  }
  return entropyToMnemonic(entropy, wordlist).split(" ");
}

/**
 * The bytes that `count` typed words stand for, in any case of letters and with anything but letters
 * between them; each word may be shortened to its first four letters, which no two have in common.
 * Throws `usage` for another number of words, one that is not in the list (named by its place, never
 * by what was typed), and a checksum that does not fit, which misses one mistake in 16 (12 words) or
 * 256 (24): nothing rests on it.
 */
export function entropyOf(text: string, count: WordCount): Bytes {
  const typed = text.normalize("NFKD").toLowerCase().split(/[^a-z]+/).filter((word) => word !== "");
  if (typed.length !== count) {
    throw new SealpostError("usage", `there are ${count} words, and not ${typed.length}`);
  }
  const words = typed.map((word, i) => {
    const found = fullWord(word);
    if (found !== null) return found;
    throw new SealpostError("usage", `word ${i + 1} is none of those that are used; look again`);
  });
  try {
    return owned(mnemonicToEntropy(words.join(" "), wordlist));
  } catch {
    throw new SealpostError("usage", "these words do not belong together; look at each again");
  }
}

/** The first six words that stand for a hash, 11 bits each, for two screens to be compared. */
export function comparedWords(hash: Bytes): string[] {
  let bits = 0n;
  for (const byte of hash.subarray(0, COMPARED_BYTES)) bits = bits << 8n | BigInt(byte);
  return Array.from({ length: COMPARED_WORDS }, (_, i) => {
    const index = Number(bits >> BigInt(8 * COMPARED_BYTES - WORD_BITS * (i + 1)) & 0x7ffn);
    return wordlist[index] ?? "";
  });
}

function fullWord(typed: string): string | null {
  if (wordlist.includes(typed)) return typed;
  if (typed.length < 4) return null;
  const found = wordlist.filter((word) => word.slice(0, 4) === typed);
  return found.length === 1 ? found[0] ?? null : null;
}
