/**
 * The text of the message that is read which is selected, with the marks of what it quotes; null if nothing
 * is selected there.
 */
export function selectedText(): string | null {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  const parts: string[] = [];
  for (const lines of document.querySelectorAll(".message .text .lines")) {
    if (!range.intersectsNode(lines)) continue;
    const part = document.createRange();
    part.selectNodeContents(lines);
    if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) {
      part.setStart(range.startContainer, range.startOffset);
    }
    if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) {
      part.setEnd(range.endContainer, range.endOffset);
    }
    const text = part.toString();
    if (text.trim() === "") continue;
    const quoted = lines.closest(".quote") !== null;
    parts.push(quoted ? text.split("\n").map((line) => `> ${line}`).join("\n") : text);
  }
  return parts.length === 0 ? null : parts.join("\n");
}
