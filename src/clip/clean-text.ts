const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

/** From 0x80 on. Not every TextDecoder knows them. */
const WINDOWS_1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";
const LIGATURES = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06\u3000\uff01-\uffef]/g;
// biome-ignore-start lint/suspicious/noControlCharactersInRegex: it is they that are looked for
const TERMINAL = /\x1b\[[\d;]*[a-zA-Z]/g;
const CONTROL = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
const MISREAD = /[\x80-\x9f]/g;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: above

/**
 * What OpenAI's tokenizer does to a text before splitting it: control characters and colours of terminals are dropped,
 * characters of Windows-1252 that were read as Latin-1 become what they are, curly quotes straight, Latin ligatures and
 * full-width forms plain letters, HTML entities (the numeric ones and the six commonest names) are resolved, doubled ones
 * too, white space is collapsed. Longer garbled encodings are not repaired. Lower-casing is left to the tokenizer.
 */
export function cleanText(text: string): string {
  const plain = (text.includes("<") ? text : resolveEntities(text)) // of a page, not of its source
    .replace(TERMINAL, "")
    .replace(MISREAD, windows1252)
    .replace(LIGATURES, (c) => c.normalize("NFKC"))
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(CONTROL, "")
    .normalize("NFC");
  return resolveEntities(resolveEntities(plain)).replace(/\s+/g, " ").trim();
}

const windows1252 = (c: string): string => WINDOWS_1252[c.charCodeAt(0) - 0x80];

/** As HTML has it: the semicolon behind a number may be missing, and what is no character becomes U+FFFD or nothing. */
function resolveEntities(text: string): string {
  return text.replace(/&(?:#(\d+);?|#[xX]([0-9a-fA-F]+);?|([a-z]+);)/g, (whole, decimal, hex, name) => {
    if (name) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return "\ufffd";
    const c = String.fromCodePoint(code);
    return c.replace(MISREAD, windows1252).replace(CONTROL, "");
  });
}
