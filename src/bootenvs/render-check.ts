/** PURE: renders a bootenv with sample nodes, so that what does not render shows at start and not in a machine's installer. */
import type { BootenvDefinition } from './bootenv.js';
import { renderContext, sampleSubject, type RenderSubject } from './render.js';
import type { CompiledTemplate } from './template.js';

type Rendered = { name: string; definition: BootenvDefinition; kernelArgs: CompiledTemplate; answers: ReadonlyMap<string, CompiledTemplate> };

/** Every architecture, with all that a spec may say and with nothing of it: what only one of them reaches is reached. */
function sampleSubjects({ name, definition }: Rendered): RenderSubject[] {
  return definition.archs.flatMap((arch) => {
    const full = sampleSubject(name, definition.params);
    const node = { ...full.node, arch };
    const bare = { ...full, node: { ...node, name: 'sample', serial: null }, network: { domain: '', dns: [], router: null }, install: { id: 1, spec: {} } };
    const spec = {
      ...(full.install?.spec as Record<string, unknown>),
      params: { authorized_keys: ['ssh-ed25519 AAAA sample'], root_password_hash: '$6$salt$0123456789abcdef' },
    };
    return [{ ...full, node }, bare, { ...full, node, install: { id: 1, spec } }];
  });
}

/** What does not render, each once, with the line that the template engine names; empty when all does. */
export function renderProblems(loaded: Rendered): string[] {
  const problems = new Set<string>();
  for (const subject of sampleSubjects(loaded)) {
    for (const [name, render] of [['kernel_args', loaded.kernelArgs] as const, ...loaded.answers]) {
      try {
        render(renderContext(subject));
      } catch (error) {
        problems.add(`${name} does not render: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`);
      }
    }
  }
  return [...problems];
}
