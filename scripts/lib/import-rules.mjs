/**
 * The import order of DESIGN section 8 as data, and its check: who may import whom, and no cycle, type imports included.
 * Our own instead of dependency-cruiser, which finds TypeScript imports through the compiler API that TypeScript 7 no
 * longer has. Imports are read from swc's syntax tree, so a dynamic import or a re-export is no way round.
 */
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { parseSync } from '@swc/core';
import { inProject, listFiles } from './project.mjs';

const BASE = ['shared', 'generated', 'config', 'db', 'queue', 'events'];

/** Each may import those to its left. Two lines that meet in nodes only. */
const LINES = [
  ['attribs', 'nodes', 'roles', 'noderoles', 'deployments', 'jigs', 'runs', 'annealer'],
  ['nodes', 'networks', 'bootenvs', 'dhcp', 'tftp', 'boot-http', 'dns', 'power', 'bootwatch'],
];

const DOMAINS = [...new Set(LINES.flat()), 'hooks', 'webhooks', 'discovery', 'matching', 'interchange'];

/** What may be imported from outside the own folder, for each folder of src; the root folders are below. @type {Record<string, string[]>} */
const ALLOWED = {
  shared: [],
  generated: [],
  ...Object.fromEntries(['config', 'db', 'queue', 'events'].map((name) => [name, BASE])),
  ...Object.fromEntries(
    [...new Set(LINES.flat())].map((name) => [name, [...BASE, ...LINES.flatMap((line) => line.slice(0, Math.max(0, line.indexOf(name))))]]),
  ),
  hooks: [...BASE, 'nodes', 'roles', 'networks'],
  webhooks: BASE,
  discovery: [...BASE, 'nodes', 'networks', 'bootenvs'],
  matching: [...BASE, 'nodes', 'roles', 'noderoles', 'deployments'],
  interchange: [...BASE, ...DOMAINS.filter((name) => name !== 'interchange')],
  simulator: ['shared', 'client'],
  client: ['shared', 'api/schemas'],
  cli: ['shared', 'client'],
  web: ['shared', 'client'],
  api: [...BASE, ...DOMAINS],
  // Roles that are code: hooks and run functions over the domains. Only bin and workers put them to use.
  'roles/builtin': [...BASE, ...DOMAINS],
};

/** @param {string} file @returns {string} the layer: a folder of src by its name, a root folder as "root:jigs" */
function layerOf(file) {
  const [top = '', second = ''] = file.split('/');
  if (file.startsWith('src/roles/builtin/')) return 'roles/builtin';
  return top === 'src' ? second : `root:${top}`;
}

/** The wire contract inside api: the one part of it that client may see. @param {string} file */
const isContract = (file) => /^src\/api\/(schemas\/|[^/]*schemas\.ts$)/.test(file);

/**
 * Whether one import is allowed; undefined when it is, else the reason.
 * @param {string} from @param {string} to paths from the project's root
 */
export function forbiddenBecause(from, to) {
  const [source, target] = [layerOf(from), layerOf(to)];
  if (isContract(from)) return isContract(to) || target === 'shared' ? undefined : 'the API contract may import only shared';
  if (source === target) return undefined;
  if (source === 'root:jigs') return /^src\/(shared\/|jigs\/contract)/.test(to) ? undefined : 'jigs/ may import only src/jigs/contract and src/shared';
  if (source === 'bin' || source === 'root:workers')
    return target === 'root:test' || target === 'root:scripts' ? `${target} is not part of the product` : undefined;
  if (source.startsWith('root:')) return undefined; // tests and scripts
  if (target.startsWith('root:') || target === 'bin') return `src/${source} may not import ${target.replace('root:', '')}/`;
  const allowed = ALLOWED[source];
  if (!allowed) return `src/${source} has no place in the import order: give it one in scripts/lib/import-rules.mjs`;
  const isAllowed = allowed.includes(target) || (allowed.includes('api/schemas') && isContract(to));
  return isAllowed ? undefined : `src/${source} may import only ${allowed.join(', ') || 'nothing of ours'}`;
}

/** Every specifier in one file: imports, re-exports, import(), typeof import(). @param {string} code @param {boolean} tsx */
export function readSpecifiers(code, tsx) {
  /** @type {Set<string>} */
  const found = new Set();
  const visit = (/** @type {any} */ node) => {
    if (!node || typeof node !== 'object') return;
    if (Array.isArray(node)) return node.forEach(visit);
    if (/^(Import|ExportAll|ExportNamed|Export)Declaration$/.test(node.type) && node.source?.value) found.add(node.source.value);
    if (node.type === 'CallExpression' && node.callee?.type === 'Import') found.add(node.arguments[0]?.expression?.value);
    if (node.type === 'TsImportType') found.add(node.argument?.value);
    Object.values(node).forEach(visit);
  };
  visit(parseSync(code, { syntax: 'typescript', tsx }).body);
  return [...found].filter((specifier) => typeof specifier === 'string');
}

/** @param {string} from @param {string} specifier @returns {string | undefined} our file that it means */
function resolveOurs(from, specifier) {
  if (!specifier.startsWith('.')) return undefined;
  const path = posix.join(posix.dirname(from), specifier.replace(/\?.*$/, ''));
  const candidates = [path.replace(/\.js$/, '.ts'), path.replace(/\.jsx?$/, '.tsx'), path, `${path}.ts`, `${path}.tsx`];
  return candidates.find((candidate) => /\.[cm]?[jt]sx?$/.test(candidate) && existsSync(inProject(candidate)));
}

/** Every cycle once, as the files along it. @param {Map<string, string[]>} graph */
export function findCycles(graph) {
  /** @type {string[][]} */
  const cycles = [];
  /** @type {Map<string, 'open' | 'done'>} */
  const state = new Map();
  /** @type {string[]} */
  const path = [];
  const visit = (/** @type {string} */ file) => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') return void cycles.push([...path.slice(path.indexOf(file)), file]);
    state.set(file, 'open');
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

/**
 * Checks a graph of imports: a line for every forbidden import and every cycle; empty when all is well.
 * @param {Map<string, string[]>} graph file -> files it imports
 */
export function checkGraph(graph) {
  const forbidden = [...graph].flatMap(([from, targets]) =>
    targets.flatMap((to) => {
      const reason = forbiddenBecause(from, to);
      return reason ? [`${from} imports ${to}: ${reason}`] : [];
    }),
  );
  return [...forbidden, ...findCycles(graph).map((cycle) => `cycle: ${cycle.join(' -> ')}`)];
}

/** The imports between our own files, as they are now. The generated client is a leaf: its inside is not ours. */
export function readGraph() {
  const files = listFiles(['src', 'jigs', 'workers'], (path) => !path.startsWith('src/generated')).filter((file) => /\.tsx?$/.test(file));
  return new Map(
    files.map((file) => {
      const specifiers = readSpecifiers(readFileSync(inProject(file), 'utf8'), file.endsWith('x'));
      return [file, specifiers.map((specifier) => resolveOurs(file, specifier)).filter((target) => target !== undefined)];
    }),
  );
}
