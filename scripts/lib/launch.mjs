import { pathToFileURL } from 'node:url';

/** npm passes Ctrl-C on to us although the terminal sent it already; two within this time are one. */
const SAME_SIGNAL_MS = 500;

function dropRepeatedSignals() {
  const emit = process.emit.bind(process);
  /** @type {Map<unknown, number>} */
  const seenAt = new Map();
  /** @param {string | symbol} event @param {unknown[]} rest */
  const emitOnce = (event, ...rest) => {
    if (event === 'SIGINT' || event === 'SIGTERM') {
      const isRepeated = Date.now() - (seenAt.get(event) ?? 0) < SAME_SIGNAL_MS;
      if (isRepeated) return true;
      seenAt.set(event, Date.now());
    }
    return Reflect.apply(emit, process, [event, ...rest]);
  };
  Object.assign(process, { emit: emitOnce });
}

/**
 * Goes on as another program, in this process: signals, exit code and terminal are its own, and killing us kills it.
 * @param {string} file absolute path of a compiled entry file
 * @param {string[]} args
 */
export async function continueAs(file, args) {
  dropRepeatedSignals();
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}
