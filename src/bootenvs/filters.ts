/**
 * PURE: how a value enters a rendered file. Each filter writes it so that the format it names takes it as text and as
 * nothing else (attack 23). A filter returns `Escaped`; whatever reaches a file without one must consist of harmless
 * characters, or the rendering stops: forgetting a filter is an error, never an injection.
 */

/** Text that is safe where its filter says. Filters may be chained: the outer one works on the inner one's text. */
export class Escaped {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

/** Thrown when a template writes a value that no filter made safe. */
export class UnsafeValueError extends Error {}

/** Characters that mean nothing in any of our formats: names, addresses, plain URLs without a query. */
const HARMLESS = /^[A-Za-z0-9._:/@,+-]*$/;

const MAX_SHOWN = 60;

/** What Liquid calls on every output. */
export function writeValue(value: unknown): string {
  if (value instanceof Escaped) return value.text;
  const text = textOf(value);
  if (HARMLESS.test(text)) return text;
  throw new UnsafeValueError(`the value ${JSON.stringify(text.slice(0, MAX_SHOWN))} needs an escaping filter (sh, yaml, preseed, kickstart, cmdline, ipxe)`);
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Escaped) return value.text;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new UnsafeValueError(`a template writes ${Array.isArray(value) ? 'a list' : 'an object'}; write its parts, or use the filter yaml`);
}

/** Control characters, line ends of Unicode included: what ends a line in some reader or moves a cursor. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

const oneLine = (text: string) => text.replaceAll(CONTROL, ' ');

/** One word of a POSIX shell, in single quotes. Control characters become spaces, so it stays on its line. */
export function sh(value: unknown): Escaped {
  return new Escaped(`'${oneLine(textOf(value)).replaceAll("'", `'\\''`)}'`);
}

/** A YAML scalar in double quotes, which is JSON's string; lists and objects become JSON, which is YAML too. YAML 1.2 section 7.3.1. */
export function yaml(value: unknown): Escaped {
  const plain = value instanceof Escaped ? value.text : (value ?? null);
  const json = JSON.stringify(plain) ?? 'null';
  return new Escaped(json.replaceAll(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`));
}

/** The value of one kernel parameter. There is no quoting that iPXE, GRUB and the kernel all read alike: anything else becomes `_`. */
export function cmdline(value: unknown): Escaped {
  return new Escaped(textOf(value).replaceAll(/[^A-Za-z0-9._:/@,+=?%~-]/g, '_'));
}

/**
 * Text in an iPXE script: words of an echo or a comment. iPXE has no quotes, and expands `${}` even in comments' neighbours;
 * `||`, `&&` and a leading `#` are operators. https://ipxe.org/scripting
 */
export function ipxe(value: unknown): Escaped {
  return new Escaped(oneLine(textOf(value)).replaceAll(/[^A-Za-z0-9 ._:/@,+=?%()'-]/g, '_'));
}

/** A value of a debconf preseed line: it goes to the end of the line, and a backslash there would join the next one. */
export function preseed(value: unknown): Escaped {
  return new Escaped(oneLine(textOf(value)).replace(/[\\\s]+$/, ''));
}

/** An argument of a kickstart command in double quotes: pykickstart splits lines as Python's shlex does. */
export function kickstart(value: unknown): Escaped {
  return new Escaped(`"${oneLine(textOf(value)).replaceAll(/["\\]/g, (char) => `\\${char}`)}"`);
}

/** One word of GRUB's script in single quotes, which end at the next one whatever stands before it. GRUB manual, section 6.2. */
export function grub(value: unknown): Escaped {
  return new Escaped(`'${oneLine(textOf(value)).replaceAll("'", `'\\''`)}'`);
}

/** By the name templates use. */
export const ESCAPING_FILTERS = { sh, yaml, cmdline, ipxe, grub, preseed, kickstart } as const;
