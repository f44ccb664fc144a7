import { describe, expect, it } from '@jest/globals';
import { checkGraph, findCycles, forbiddenBecause, readSpecifiers } from '../../../scripts/lib/import-rules.mjs';

const graph = (edges: Record<string, string[]>) => new Map(Object.entries(edges));

describe('import rules', () => {
  it.each([
    ['src/dhcp/server.ts', 'src/shared/mac.ts'],
    ['src/dhcp/server.ts', 'src/bootenvs/decide.ts'],
    ['src/annealer/anneal.ts', 'src/noderoles/claim.ts'],
    ['src/client/client.ts', 'src/api/schemas.ts'],
    ['src/bin/up.ts', 'workers/runs.ts'],
    ['jigs/noop/jig.ts', 'src/jigs/contract.ts'],
    ['src/roles/builtin/dhcp-database.ts', 'src/hooks/hooks.ts'],
  ])('lets %s import %s', (from, to) => expect(forbiddenBecause(from, to)).toBeUndefined());

  it.each([
    ['src/shared/mac.ts', 'src/nodes/node.ts'],
    ['src/db/client.ts', 'src/nodes/store.ts'],
    ['src/nodes/store.ts', 'src/noderoles/state.ts'],
    ['src/dhcp/server.ts', 'src/annealer/anneal.ts'],
    ['src/runs/execute.ts', 'jigs/noop/jig.ts'],
    ['src/cli/main.ts', 'src/db/client.ts'],
    ['src/web/app.tsx', 'src/api/app.ts'],
    ['src/client/client.ts', 'src/api/app.ts'],
    ['src/api/schemas.ts', 'src/nodes/node.ts'],
    ['jigs/noop/jig.ts', 'src/runs/store.ts'],
    ['src/nodes/store.ts', 'test/support/postgres.ts'],
    ['src/somewhere/new.ts', 'src/shared/mac.ts'],
  ])('refuses %s importing %s', (from, to) => expect(forbiddenBecause(from, to)).toEqual(expect.any(String)));

  it('finds a cycle, also through type imports and re-exports', () => {
    const edges = graph({ 'src/nodes/a.ts': ['src/nodes/b.ts'], 'src/nodes/b.ts': ['src/nodes/c.ts'], 'src/nodes/c.ts': ['src/nodes/a.ts'] });
    expect(findCycles(edges)).toEqual([['src/nodes/a.ts', 'src/nodes/b.ts', 'src/nodes/c.ts', 'src/nodes/a.ts']]);
    expect(checkGraph(edges)).toEqual([expect.stringMatching(/^cycle: /)]);
  });

  it('names file, import and reason of an upward import', () => {
    const [line] = checkGraph(graph({ 'src/shared/mac.ts': ['src/nodes/node.ts'] }));
    expect(line).toBe('src/shared/mac.ts imports src/nodes/node.ts: src/shared may import only nothing of ours');
  });

  it('sees every form of import', () => {
    const code = `import a from './a.js'; import type { B } from './b.js'; export * from './c.js'; export { d } from './d.js';
      const e = await import('./e.js'); type F = typeof import('./f.js'); // import './comment.js'
      const text = "import './text.js'";`;
    expect(readSpecifiers(code, false).toSorted()).toEqual(['./a.js', './b.js', './c.js', './d.js', './e.js', './f.js']);
  });
});
