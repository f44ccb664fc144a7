/**
 * Which server and which token. The address: --url, PRYBAR_URL, the `url` file of the data directory, the default. The token:
 * PRYBAR_TOKEN, --token-file, the `admin-token` file of the data directory. Never a token on the command line: every user of the machine can read that.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CliError, ExitCode } from './failure.js';

export type ConnectionOptions = {
  url?: string | undefined;
  tokenFile?: string | undefined;
  home?: string | undefined;
};

export type Connection = { baseUrl: string; token: string; tokenFile: string; home: string };

/** Where a server that was started without options listens. */
const DEFAULT_URL = 'http://127.0.0.1:8190';
const DEFAULT_HOME = '.prybar';

/** The file's text without surrounding white space; undefined when there is no such file. Throws CliError when it may not be read. */
function readSetting(file: string, exitCode: number): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CliError(
      {
        exitCode,
        code: 'file-not-readable',
        detail: `${file} cannot be read (${String(code)})`,
        next: 'run this as the user who started the server, or name another file with --token-file',
      },
      error,
    );
  }
}

/** The data directory: --home, PRYBAR_HOME, `.prybar` here, or `.prybar` beside the program's own package.json. */
export function findHome(options: ConnectionOptions, env: NodeJS.ProcessEnv, cwd: string, packageRoot: string): string {
  const named = options.home ?? env.PRYBAR_HOME;
  if (named !== undefined && named !== '') return path.resolve(cwd, named);
  const here = path.resolve(cwd, DEFAULT_HOME);
  const beside = path.resolve(packageRoot, DEFAULT_HOME);
  return readSetting(path.join(here, 'url'), ExitCode.unreachable) === undefined && readSetting(path.join(beside, 'url'), ExitCode.unreachable) !== undefined
    ? beside
    : here;
}

function checkUrl(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '') return text.replace(/\/+$/, '');
  throw new CliError({
    exitCode: ExitCode.usage,
    code: 'bad-url',
    detail: `${source}: '${text}' is not the address of a server`,
    next: `write it as ${DEFAULT_URL}`,
  });
}

/** Reads everything a command needs to reach the server. Throws CliError: usage for a bad address, not authorized for a missing token. */
export function findConnection(options: ConnectionOptions, env: NodeJS.ProcessEnv, cwd: string, packageRoot: string): Connection {
  const home = findHome(options, env, cwd, packageRoot);
  const urlFile = path.join(home, 'url');
  let baseUrl: string;
  if (options.url !== undefined) baseUrl = checkUrl(options.url, '--url');
  else if (env.PRYBAR_URL !== undefined && env.PRYBAR_URL !== '') baseUrl = checkUrl(env.PRYBAR_URL, 'PRYBAR_URL');
  else baseUrl = checkUrl(readSetting(urlFile, ExitCode.unreachable) || DEFAULT_URL, urlFile);
  const tokenFile = options.tokenFile === undefined ? path.join(home, 'admin-token') : path.resolve(cwd, options.tokenFile);
  // A file that was named must be there; the environment must not quietly win over it.
  const given = options.tokenFile === undefined ? env.PRYBAR_TOKEN : undefined;
  const token = given !== undefined && given !== '' ? given : readSetting(tokenFile, ExitCode.unauthorized);
  if (token === undefined || token === '') {
    const next = 'set PRYBAR_TOKEN, name a file with --token-file, or start a server here with: prybar up';
    throw new CliError({
      exitCode: ExitCode.unauthorized,
      code: 'no-token',
      detail: `no token: ${tokenFile} ${token === '' ? 'is empty' : 'does not exist'}`,
      next,
    });
  }
  return { baseUrl, token, tokenFile, home };
}
