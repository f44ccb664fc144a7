/** A database of its own for each test file, cloned from a template that the run migrated once (global-setup.mjs). */
import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  url: string;
  name: string;
  /** Drops the database, also with connections still open. KEEP_DB=1 keeps it and prints its URL instead. */
  drop(): Promise<void>;
}

export const TEMPLATE_DATABASE = 'prybar_test_template';

/** The server of this run; set by global-setup.mjs. Throws outside the integration project. */
export function testServerUrl(): string {
  const url = process.env['PRYBAR_TEST_SERVER_URL'];
  if (!url) throw new Error('no test database server: run this test in the "integration" project (npm test)');
  return url;
}

/** The same server, another database. */
export function urlOfDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Runs one statement on the server's own database; for CREATE and DROP DATABASE, which no transaction may hold. */
export async function runOnServer(serverUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Clones the migrated template (some 50 ms), or makes an empty database with `from: 'empty'`. */
export async function createTestDatabase({ from = 'template' }: { from?: 'template' | 'empty' } = {}): Promise<TestDatabase> {
  const serverUrl = testServerUrl();
  const name = `prybar_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  // FILE_COPY: cloning a small template through the log (the default) is slower than copying its files.
  const source = from === 'template' ? `TEMPLATE ${process.env['PRYBAR_TEST_TEMPLATE'] ?? TEMPLATE_DATABASE} STRATEGY FILE_COPY` : 'TEMPLATE template0';
  await runOnServer(serverUrl, `CREATE DATABASE ${name} ${source}`);
  const url = urlOfDatabase(serverUrl, name);
  return {
    url,
    name,
    async drop() {
      if (process.env['KEEP_DB'] === '1') process.stderr.write(`kept test database ${name}\n`);
      else await runOnServer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}
