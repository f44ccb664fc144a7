/** docs/proof.md: every test it names is there, and every rule, race and failure has one that bears its number. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { inProject } from '../../../scripts/lib/project.mjs';

const page = readFileSync(inProject('docs/proof.md'), 'utf8');
const source = (file: string) => readFileSync(inProject(`test/${file}`), 'utf8');

type Row = { section: string; number: string; file: string; title: string };
const rows: Row[] = page
  .split(/^## /m)
  .slice(1)
  .flatMap((text) => {
    const section = text.slice(0, text.indexOf('\n'));
    return Array.from(text.matchAll(/^\| ([^|]*?) ?\|.*\| `([^`|]+)` \| `(.+)` \|$/gm), ([, number, file, title]) => ({ section, number, file, title }));
  });

const all = readdirSync(inProject('test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map(source)
  .join('\n');

describe('docs/proof.md', () => {
  it.each(rows)('$section: $file has $title', ({ file, title }) => expect(source(file)).toContain(title));

  it.each([
    ["The engine's rules", 25, ''],
    ['Races of the engines before', 25, ''],
    ['Failures of the engines before', 12, 'A'],
  ])('%s: names all %i, in order', (section, count, letter) => {
    const numbers = rows.filter((row) => row.section === section && row.number !== '').map((row) => row.number);
    expect(numbers).toEqual(Array.from({ length: count }, (_, index) => `${letter}${index + 1}`));
  });

  it.each(Array.from({ length: 25 }, (_, index) => index + 1))('rule %i has a test that bears its number', (number) => {
    expect(all).toMatch(new RegExp(`['"\`][^'"\`\\n]*(?<!netboot |DESIGN )rule ${number}[:,]`));
  });
});
