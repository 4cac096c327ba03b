import { assertEquals, assertThrows } from "@std/assert";
import { commandWords } from "../../../client/terminal/command_words.ts";
import { SealpostError } from "../../../crypto/error.ts";

Deno.test("a command is words, which quotation marks and backslashes keep together", () => {
  const cases = [
    ["lpr", ["lpr"]],
    ["  lpr -P\toffice ", ["lpr", "-P", "office"]],
    [`a 'b c' "d 'e'" f" g"h`, ["a", "b c", "d 'e'", "f gh"]],
    [`a '' ""`, ["a", "", ""]],
    [`a\\ b "c\\"d" 'e\\f' g\\`, ["a b", 'c"d', "e\\f", "g\\"]],
    ["a; rm -rf * $(x) `y` | z > w &", [
      "a;",
      "rm",
      "-rf",
      "*",
      "$(x)",
      "`y`",
      "|",
      "z",
      ">",
      "w",
      "&",
    ]],
  ] as const;
  for (const [command, words] of cases) assertEquals(commandWords(command), [...words], command);
});

Deno.test("a command without a program, or with half a quotation, is none", () => {
  for (const command of ["", " ", "''", "'' a", "a 'b", 'a "b\\"']) {
    assertEquals(assertThrows(() => commandWords(command), SealpostError).code, "usage", command);
  }
});
