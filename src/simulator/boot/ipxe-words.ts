/**
 * How iPXE reads a line: https://ipxe.org/scripting. Settings are expanded first, then the line is cut at white space (there
 * are no quotes), then `||` and `&&` join commands.
 */

/** One command of a line and what decides whether it runs: the result of the command before it. */
export type IpxeCommand = { when: 'always' | 'success' | 'failure'; words: string[] };

const SETTING = /\$\{([^{}]*)\}/;

/** Replaces `${name}` and `${name:type}`, innermost first; an unset setting is empty. */
export function expandSettings(line: string, setting: (name: string, type: string) => string | undefined): string {
  let text = line;
  for (;;) {
    const found = SETTING.exec(text);
    if (found === null) return text;
    const [name = '', type = ''] = (found[1] ?? '').split(':', 2);
    text = text.slice(0, found.index) + (setting(name, type) ?? '') + text.slice(found.index + found[0].length);
  }
}

/**
 * Cuts an expanded line into commands. A word that begins with `#` starts a comment. An empty command stays: it succeeds, which
 * is how the `||` at the end of a line allows a failure.
 */
export function splitCommands(line: string): IpxeCommand[] {
  const commands: IpxeCommand[] = [];
  let current: IpxeCommand = { when: 'always', words: [] };
  for (const word of line.split(/[ \t]+/)) {
    if (word.startsWith('#')) break;
    if (word === '||' || word === '&&') {
      commands.push(current);
      current = { when: word === '&&' ? 'success' : 'failure', words: [] };
    } else if (word !== '') {
      current.words.push(word);
    }
  }
  commands.push(current);
  return commands;
}

/** Lines of a script, continued lines (a backslash at the end) joined. */
export function scriptLines(script: string): string[] {
  return script
    .replaceAll(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .map((line) => line.trim());
}

/** Splits `--name value`, `--name=value` and bare flags from what follows. `valued` are the options that take a value. */
export function splitOptions(words: readonly string[], valued: readonly string[]): { options: Map<string, string>; rest: string[] } {
  const options = new Map<string, string>();
  const rest = [...words];
  while (rest[0]?.startsWith('-') === true) {
    const word = rest.shift() ?? '';
    if (word === '--') break;
    const equals = word.indexOf('=');
    if (equals !== -1) options.set(word.slice(0, equals), word.slice(equals + 1));
    else options.set(word, valued.includes(word) ? (rest.shift() ?? '') : '');
  }
  return { options, rest };
}
