// WGSL without what a compiler does not read: comments and white space. Shorter names would not make it smaller once it
// is compressed.

const TOKEN = /(\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)|[\w.]+|[^\w.]/g;
const OPERATOR = /[-+*/%&|^<>=!]/;

/** The same shader without comments and white space; a line for each statement, for messages that name a line. */
export function minifyWgsl(source: string): string {
  let text = "";
  let apart = false;
  for (const [token, space] of source.matchAll(TOKEN)) {
    if (space === undefined) {
      const before = text.at(-1) ?? "";
      const touch = (/\w/.test(before) && /\w/.test(token)) || (OPERATOR.test(before) && OPERATOR.test(token));
      text += apart && touch ? ` ${token}` : token;
      if (/[;{}]/.test(token)) text += "\n";
    }
    apart = space !== undefined;
  }
  return text;
}
