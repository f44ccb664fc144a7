/** PURE: the syntax of dhcpd.conf(5) and dhcpd.leases(5): words, strings, `;` and braces. What the words mean is isc.ts. */

export type Word = { text: string; line: number };
/** A statement: its words, and what stands in its braces. */
export type Statement = { line: number; words: string[]; body: Statement[] | null };

/** A comment, a string, a mark, or a word that ends before any of them. */
const TOKEN = /#[^\n]*|"(?:[^"\\\n]|\\.)*"|[{};,=]|[^\s{};,="#]+|\n/g;
/** Deeper nesting is an attack on the reader, not a configuration. */
const DEEPEST = 64;

function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  let line = 1;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '\n') line += 1;
    else if (!token.startsWith('#')) words.push({ text: token, line });
  }
  return words;
}

/** The statements of a file; the line where the braces do not match, if they do not. */
export function parseIsc(text: string): { statements: Statement[]; unbalancedLine: number | null } {
  const top: Statement[] = [];
  const open: { statement: Statement; body: Statement[] }[] = [];
  let unbalancedLine: number | null = null;
  let words: Word[] = [];
  const level = (): Statement[] => open.at(-1)?.body ?? top;
  for (const word of wordsOf(text)) {
    if (word.text === '{') {
      const body: Statement[] = [];
      const statement = { line: words[0]?.line ?? word.line, words: words.map((each) => each.text), body };
      level().push(statement);
      if (open.length >= DEEPEST) return { statements: top, unbalancedLine: word.line };
      open.push({ statement, body });
      words = [];
    } else if (word.text === ';' || word.text === '}') {
      if (words.length > 0) level().push({ line: words[0]?.line ?? word.line, words: words.map((each) => each.text), body: null });
      words = [];
      if (word.text === '}' && open.pop() === undefined) unbalancedLine ??= word.line;
    } else {
      words.push(word);
    }
  }
  const left = open.at(-1)?.statement.line;
  return { statements: top, unbalancedLine: unbalancedLine ?? left ?? null };
}

/** The text of a string token; other words as they are. */
export function unquoted(word: string | undefined): string | undefined {
  return word?.startsWith('"') === true ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word;
}
