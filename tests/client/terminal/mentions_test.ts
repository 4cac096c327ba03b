import { assertEquals } from "@std/assert";
import { mentionsAttachment } from "../../../client/terminal/mentions.ts";

Deno.test("a text that speaks of an attachment is recognized, in several languages", () => {
  for (
    const [text, word] of [
      ["See the attached file.", "attached"],
      ["ATTACHED: the scans", "ATTACHED"],
      ["two attachments, as you asked", "attachments"],
      ["please find enclosed my report", "enclosed"],
      ["Die Rechnung ist angehängt.", "angehängt"],
      ["Die Rechnung ist angeha\u0308ngt.", "angehängt"],
      ["anbei der Vertrag", "anbei"],
      ["das beigefügte Blatt", "beigefügte"],
      ["vous trouverez ci-jointes les photos", "ci-jointes"],
      ["la pièce\njointe suit", "pièce jointe"],
      ["adjunto el documento", "adjunto"],
      ["in allegato la fattura", "in allegato"],
      ["de bijlagen", "bijlagen"],
      ["w załączniku plik", "w załączniku"],
    ] as const
  ) assertEquals(mentionsAttachment(text), word);
});

Deno.test("words within words, quotes, signatures and what is passed on do not count", () => {
  for (
    const text of [
      "",
      "I am not detached, and unattachedly so.",
      "Ich bin da.",
      "> see the attached file\nYes, thank you.",
      "Here you are.\n---------- Forwarded message ----------\nsee attached",
      "Bye\n-- \nAttachment Inc.",
      "the Anhangs of it",
    ]
  ) assertEquals(mentionsAttachment(text), null, text);
});
