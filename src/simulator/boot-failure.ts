/** Why a machine stopped on its way up: what a console would show. `code` is for tests and counters. */
export type BootFailureCode =
  | 'no-offer'
  | 'no-ack'
  | 'no-boot-file'
  | 'tftp-failed'
  | 'wrong-loader'
  | 'http-failed'
  | 'script-failed'
  | 'no-kernel-class'
  | 'wrong-boot-nic'
  | 'no-system-on-disk'
  | 'callback-refused';

/** Thrown when one boot cannot go on; the machine shows it, waits, and starts over as a server in a boot loop does. */
export class BootFailure extends Error {
  constructor(
    readonly code: BootFailureCode,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'BootFailure';
  }
}
