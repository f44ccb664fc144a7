/** What a script is made of, whichever loader reads it. */
import type { BootenvDefinition } from './bootenv.js';

export type ScriptSubject = {
  mac: string;
  baseUrl: string;
  /** Node name, or the MAC of an unknown machine. */
  name: string;
  reason: string;
};

/** `args` is the bootenv's rendered `kernel_args`. */
export type KernelSubject = ScriptSubject & { bootenv: BootenvDefinition; token: string; args: string };
