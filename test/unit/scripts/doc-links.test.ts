/** README.md and docs/*.md: what they point to is there, and every page can be reached from the README. */
import { expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../../../scripts/lib/project.mjs';

const PAGES = ['README.md', ...readdirSync(inProject('docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : []))];

const textOf = (page: string): string => readFileSync(inProject(page), 'utf8').replaceAll(/^```[^]*?^```/gm, '');

/** As GitHub makes the anchor of a heading: small letters, dashes for blanks, no other signs. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (page: string): string[] => Array.from(textOf(page).matchAll(/^#+ (.+)$/gm), ([, heading]) => anchorOf(heading.trim()));

/** Relative links of a page: the file each points to, from the project's root, and its anchor. */
function linksOf(page: string): { link: string; file: string; anchor: string | undefined }[] {
  const targets = Array.from(textOf(page).matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target).filter((target) => !/^[a-z]+:/.test(target));
  return targets.map((link) => {
    const [file, anchor] = link.split('#', 2);
    return { link, file: file === '' ? page : path.posix.join(path.posix.dirname(page), file), anchor };
  });
}

it.each(PAGES)('%s: every relative link and anchor resolves', (page) => {
  const broken = linksOf(page).filter(
    ({ file, anchor }) => !existsSync(inProject(file)) || (anchor !== undefined && (!file.endsWith('.md') || !anchorsOf(file).includes(anchor))),
  );
  expect(broken.map(({ link }) => link)).toEqual([]);
});

it('README.md points to every page', () => {
  const reached = new Set(linksOf('README.md').map(({ file }) => file));
  expect(PAGES.filter((page) => page !== 'README.md' && !reached.has(page))).toEqual([]);
});

it('pages that the code names exist', () => {
  const named = new Set<string>();
  for (const folder of ['src', 'scripts'])
    for (const entry of readdirSync(inProject(folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(ts|tsx|mjs)$/.test(entry.name)) continue;
      const text = readFileSync(path.join(entry.parentPath, entry.name), 'utf8');
      for (const [name] of text.matchAll(/\bdocs\/[a-z-]+\.md\b/g)) named.add(name);
    }
  expect([...named].filter((page) => !existsSync(inProject(page)))).toEqual([]);
});

it('docs/lab.md tells of every file of the lab', () => {
  const table = textOf('docs/lab.md');
  const files = readdirSync(inProject('test/e2e/lab')).filter((name) => name.endsWith('.test.ts'));
  expect(files.filter((name) => !table.includes(`\`${name}\``))).toEqual([]);
});
