/**
 * The boot environments of a process that answers before it has read them: reading and trying every template takes longer than
 * all else that a boot server does at its start, and a machine needs seconds from its first DISCOVER to its first script.
 */
import { present } from '../shared/assert.js';
import type { LiveRegistry } from './live-registry.js';
import type { BootenvRegistry } from './registry.js';

export type LateRegistry = {
  /** Resolves when they are read: whoever is asked for a file awaits it first. Never rejects. */
  readonly ready: Promise<void>;
  /** To be asked when `ready`, not before. */
  current(): BootenvRegistry;
  /** Reads them. Rejects as openLiveRegistry does; the process should then end. */
  open(): Promise<void>;
  close(): Promise<void>;
};

export function lateRegistry(openRegistry: () => Promise<LiveRegistry>): LateRegistry {
  let registry: LiveRegistry | undefined;
  let tell: (() => void) | undefined;
  const ready = new Promise<void>((resolve) => (tell = resolve));
  return {
    ready,
    current: () => present(registry, 'bootenvs that are read').current(),
    async open() {
      registry = await openRegistry();
      tell?.();
    },
    close: async () => registry?.close(),
  };
}
