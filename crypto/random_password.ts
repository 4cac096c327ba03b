import { random } from "./bytes.ts";

/** 100 random bits that can be read out over the telephone: Crockford's base 32, in groups. */
export function randomPassword(): string {
  const digits = "0123456789abcdefghjkmnpqrstvwxyz";
  const symbols = Array.from(random(20), (byte) => digits.charAt(byte & 31)).join("");
  return symbols.replace(/.{5}(?=.)/g, "$&-");
}
