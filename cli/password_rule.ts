import { MAX_PASSWORD, MIN_PASSWORD } from "../protocol/limits.ts";

/** What is said before somebody chooses a password. */
export const PASSWORD_RULE =
  `A password has ${MIN_PASSWORD} characters or more, and is none of those that everybody tries first.`;

/**
 * The commonest passwords of eight characters or more in what was stolen from other services, as
 * public lists have them; without capitals and spaces.
 */
const COMMONEST = new Set(
  ("12345678 123456789 1234567890 0123456789 987654321 9876543210 87654321 11223344 12341234 " +
    "12121212 123123123 147258369 159753456 741852963 789456123 963852741 1q2w3e4r 1q2w3e4r5t " +
    "1qaz2wsx 1qazxsw2 zaq12wsx q1w2e3r4 qwer1234 1234qwer qwerty12 qwerty123 qwerty1234 " +
    "qwertyui qwertyuiop qwertzui qwertzuiop azertyui azertyuiop asdfasdf asdfghjk asdfghjkl " +
    "zxcvbnm123 a1b2c3d4 abc12345 abcd1234 abcd12345 abcdefgh abcdefghi aa123456 aa12345678 " +
    "password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword " +
    "p@ssword1 pa55word pa$$word passwort passwort1 passwort123 motdepasse contraseña " +
    "contrasena senha123 wachtwoord changeme changeme1 changeme123 letmein1 letmein123 " +
    "welcome1 welcome12 welcome123 admin123 admin1234 administrator administrador root1234 " +
    "toor1234 test1234 testtest guest123 default1 secret12 secret123 topsecret iloveyou " +
    "iloveyou1 ichliebedich jetaime1 sunshine sunshine1 princess princess1 football football1 " +
    "baseball baseball1 basketball superman superman1 batman123 spiderman starwars starwars1 " +
    "pokemon1 pokemon123 naruto123 minecraft michael1 michelle jennifer jessica1 jordan23 " +
    "charlie1 computer internet samsung1 google123 facebook trustno1 whatever mustang1 " +
    "corvette mercedes maverick dragon123 monkey123 shadow123 master123 killer123 chocolate " +
    "butterfly blink182 liverpool chelsea1 arsenal1 manchester barcelona juventus bayern123 " +
    "elephant hello123 hallo123 hallohallo schatz123 berlin123 sommer123 winter123 summer123 " +
    "spring123 sealpost sealpost1 sealpost123").split(" "),
);

/** Why `password` may not be chosen; null if it may. */
export function passwordProblem(password: string): string | null {
  const characters = [...password];
  if (characters.length < MIN_PASSWORD) {
    return `a password has ${MIN_PASSWORD} characters or more`;
  }
  if (new TextEncoder().encode(password.normalize("NFC")).length > MAX_PASSWORD) {
    return `a password has at most ${MAX_PASSWORD} bytes`;
  }
  const folded = password.toLowerCase().replaceAll(" ", "");
  if (new Set(folded).size <= 2 || COMMONEST.has(folded)) {
    return "that is one of the passwords that everybody tries first";
  }
  return null;
}
