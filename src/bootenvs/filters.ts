/**
 * PURE: how a value enters a rendered file. Each filter writes it so that the format it names takes it as text and as
 * nothing else (attack 23). A filter returns `Escaped`; a value that reaches a file without one loses whatever could mean
 * something there: forgetting a filter may spoil a value, and is never an injection.
 */

/** The formats of rendered files. It decides how a value without a filter is written, and which filters a template may use. */
export const TEMPLATE_CONTEXTS = ['sh', 'ipxe', 'grub', 'kickstart', 'yaml', 'cmdline', 'preseed'] as const;
export type TemplateContext = (typeof TEMPLATE_CONTEXTS)[number];

/** Text that is safe where its filter says. Filters may be chained: the outer one works on the inner one's text. */
export class Escaped {
  constructor(
    readonly text: string,
    readonly by: TemplateContext,
  ) {}
  toString(): string {
    return this.text;
  }
}

/** Thrown when a template writes a value in a way that its file's format does not take as text. */
export class UnsafeValueError extends Error {}

/** Characters that mean nothing in any of our formats and at any place in them: within quotes, here-documents, block scalars. */
const NOT_HARMLESS = /[^A-Za-z0-9._:/@,+-]/g;

/** What begins or ends a YAML scalar with a meaning: an indicator in front, a key's colon behind. YAML 1.2 section 7.3.3. */
const YAML_INDICATORS = /^[@,:+-]|:$/g;

/** Formats that hold shell as well: sections of kickstart, commands of preseed and of cloud-init. */
const FILTERS_OF: Readonly<Record<TemplateContext, readonly TemplateContext[]>> = {
  sh: ['sh'],
  ipxe: ['ipxe', 'cmdline'],
  grub: ['grub', 'cmdline'],
  kickstart: ['kickstart', 'sh'],
  yaml: ['yaml', 'sh'],
  cmdline: ['cmdline'],
  preseed: ['preseed', 'sh'],
};

/**
 * What Liquid calls on every output of a file of that format. A value without a filter is written so that it is inert
 * wherever it stands, at the price of its odd characters, which become `_`: what keeps them is a filter, and only one that
 * the format reads. Throws UnsafeValueError for another format's filter, and for lists and objects.
 */
export function writeValue(context: TemplateContext, value: unknown): string {
  if (value instanceof Escaped) {
    if (FILTERS_OF[context].includes(value.by)) return value.text;
    throw new UnsafeValueError(`the filter ${value.by} is none for a file of format ${context}: use ${FILTERS_OF[context].join(' or ')}`);
  }
  const text = textOf(value).replaceAll(NOT_HARMLESS, '_');
  return context === 'yaml' ? text.replaceAll(YAML_INDICATORS, '_') : text;
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Escaped) return value.text;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new UnsafeValueError(`a template writes ${Array.isArray(value) ? 'a list' : 'an object'}; write its parts, or use the filter yaml in a YAML file`);
}

/** Control characters, line ends of Unicode included: what ends a line in some reader or moves a cursor. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

const oneLine = (text: string) => text.replaceAll(CONTROL, ' ');

/** One word of a POSIX shell, in single quotes. Control characters become spaces, so it stays on its line. */
export function sh(value: unknown): Escaped {
  return new Escaped(`'${oneLine(textOf(value)).replaceAll("'", `'\\''`)}'`, 'sh');
}

/** A YAML scalar in double quotes, which is JSON's string; lists and objects become JSON, which is YAML too. YAML 1.2 section 7.3.1. */
export function yaml(value: unknown): Escaped {
  const plain = value instanceof Escaped ? value.text : (value ?? null);
  const json = JSON.stringify(plain) ?? 'null';
  return new Escaped(
    json.replaceAll(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`),
    'yaml',
  );
}

/** The value of one kernel parameter. There is no quoting that iPXE, GRUB and the kernel all read alike: anything else becomes `_`. */
export function cmdline(value: unknown): Escaped {
  return new Escaped(textOf(value).replaceAll(/[^A-Za-z0-9._:/@,+=?%~-]/g, '_'), 'cmdline');
}

/**
 * Text in an iPXE script: words of an echo or a comment. iPXE has no quotes, and expands `${}` even in comments' neighbours;
 * `||`, `&&` and a leading `#` are operators. https://ipxe.org/scripting
 */
export function ipxe(value: unknown): Escaped {
  return new Escaped(oneLine(textOf(value)).replaceAll(/[^A-Za-z0-9 ._:/@,+=?%()'-]/g, '_'), 'ipxe');
}

/** A value of a debconf preseed line: it goes to the end of the line, and a backslash there would join the next one. */
export function preseed(value: unknown): Escaped {
  return new Escaped(oneLine(textOf(value)).replace(/[\\\s]+$/, ''), 'preseed');
}

/** An argument of a kickstart command in double quotes: pykickstart splits lines as Python's shlex does. */
export function kickstart(value: unknown): Escaped {
  return new Escaped(`"${oneLine(textOf(value)).replaceAll(/["\\]/g, (char) => `\\${char}`)}"`, 'kickstart');
}

/** One word of GRUB's script in single quotes, which end at the next one whatever stands before it. GRUB manual, section 6.2. */
export function grub(value: unknown): Escaped {
  return new Escaped(`'${oneLine(textOf(value)).replaceAll("'", `'\\''`)}'`, 'grub');
}

/** By the name templates use. */
export const ESCAPING_FILTERS = { sh, yaml, cmdline, ipxe, grub, preseed, kickstart } as const;
