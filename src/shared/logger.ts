import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

const REDACTED_FIELDS = ['password', 'secret', 'token', 'authorization', '*.password', '*.secret', '*.token', '*.authorization', 'req.headers.authorization'];

/**
 * The process's logger: pino JSON on stderr, so that stdout stays for the board and for `--json`.
 * Fields named like a secret are redacted. `level` is a pino level or `silent`.
 */
export function createLogger(name: string, level: string): Logger {
  return pino({ name, level, redact: { paths: REDACTED_FIELDS, censor: '[redacted]' } }, pino.destination({ dest: 2, sync: false }));
}
