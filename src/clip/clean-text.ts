const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

/**
 * What OpenAI's tokenizer does to a text before splitting it, as far as it changes the tokens of ordinary text:
 * curly quotes become straight, Latin ligatures and full-width forms become plain letters, HTML entities (the
 * numeric ones and the six commonest names) are resolved twice, white space is collapsed. Garbled encodings are not
 * repaired. Lower-casing is left to the tokenizer.
 */
export function cleanText(text: string): string {
  const plain = text
    .replace(/[\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06\u3000\uff01-\uffef]/g, (c) =>
      c.normalize("NFKC"),
    )
    .normalize("NFC");
  return resolveEntities(resolveEntities(plain)).replace(/\s+/g, " ").trim();
}

function resolveEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]+));/g, (whole, decimal, hex, name) => {
    if (name) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : whole;
  });
}
