/**
 * What the command line does on this machine without a server: looking at bootenvs, importing images, the doctor of the
 * installation. Wiring only: reads arguments, prints one JSON document on stdout (progress as lines on stderr), and ends with
 * status 1 when something is wrong.
 */
import { parseArgs } from 'node:util';
import { checkBootenvs } from '../bootenvs/check.js';
import { importImage } from '../bootenvs/import-image.js';
import { loadBootenvs } from '../bootenvs/registry.js';
import { loadConfig } from '../config/config.js';
import { AppError, NotFoundError, ValidationError } from '../shared/errors.js';
import { examine } from './doctor.js';

const PROGRESS_EVERY_MS = 1_000;

const COMMANDS: Readonly<Record<string, (args: string[], signal: AbortSignal) => Promise<{ answer: unknown; good: boolean }>>> = {
  async 'bootenvs-check'(args) {
    const { positionals } = parseArgs({ args, allowPositionals: true });
    const items = await checkBootenvs({ home: loadConfig(process.env).home, directory: positionals[0] });
    return { answer: { items }, good: items.every((item) => item.valid) };
  },
  async 'bootenvs-import'(args, signal) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { iso: { type: 'string' }, url: { type: 'string' }, file: { type: 'string' }, sha256: { type: 'string' }, as: { type: 'string' } },
    });
    const { home } = loadConfig(process.env);
    const name = positionals[0] ?? '';
    const definition = (await loadBootenvs({ home })).registry.get(name)?.definition;
    if (definition === undefined) throw new NotFoundError('bootenv', name);
    const from = values.iso ?? values.url ?? values.file;
    if (from === undefined)
      throw new ValidationError('from: one of --iso, --url and --file is needed', [{ field: 'from', message: 'one of --iso, --url and --file' }]);
    const files = await importImage({ home, definition, from, sha256: values.sha256 ?? '', as: values.as, signal, onProgress: progressLine() });
    return { answer: { bootenv: name, files }, good: true };
  },
  async doctor() {
    const items = await examine(loadConfig(process.env));
    return { answer: { items }, good: items.every((item) => item.state !== 'missing') };
  },
};

function progressLine(): (bytes: number, total: number | undefined) => void {
  let toldAt = Date.now();
  return (bytes, total) => {
    if (Date.now() - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = Date.now();
    const part = total === undefined || total === 0 ? '' : ` of ${(total / 1e6).toFixed(0)} MB, ${Math.floor((100 * bytes) / total)} %`;
    process.stderr.write(`${(bytes / 1e6).toFixed(0)} MB${part}\n`);
  };
}

async function main(): Promise<number> {
  const [name = '', ...args] = process.argv.slice(2);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error('stopped')));
  const command = COMMANDS[name];
  if (command === undefined) throw new ValidationError(`command: one of ${Object.keys(COMMANDS).join(', ')}`, []);
  const { answer, good } = await command(args, stop.signal);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  return good ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  // A document that the command line shows as it shows the server's refusals.
  const problem =
    error instanceof AppError
      ? { code: error.code, detail: error.publicMessage }
      : { code: 'failed', detail: error instanceof Error ? error.message : String(error) };
  process.stdout.write(`${JSON.stringify({ problem })}\n`);
  process.exitCode = 1;
}
