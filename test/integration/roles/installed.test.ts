/** The barclamps of an installation at its start: what ships with Prybar, and the operator's directory. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { importInstalledBarclamps } from '../../../src/bin/barclamps.js';
import { closeContext, openContext, type Context } from '../../../src/bin/context.js';
import { roleCode } from '../../../src/bin/role-code.js';
import { openRoleFunctions, ROLES_WITH_FUNCTIONS } from '../../../src/bin/role-functions.js';
import { loadConfig } from '../../../src/config/config.js';
import { checkStoredRoles } from '../../../src/roles/check-stored.js';
import { ConfigError } from '../../../src/shared/errors.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let directory: string;
let context: Context;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'prybar-barclamps-'));
  context = openContext('test', loadConfig({ DATABASE_URL: database.url, PRYBAR_BARCLAMPS: directory, PRYBAR_HOME: directory, PRYBAR_LOG_LEVEL: 'silent' }));
  await emptyTables(context.db.pool);
});
afterEach(async () => {
  await closeContext(context);
  await rm(directory, { recursive: true });
});

async function write(name: string, roles: string): Promise<void> {
  await mkdir(path.join(directory, name), { recursive: true });
  await writeFile(path.join(directory, name, 'barclamp.yml'), `barclamp: { name: ${name} }\nroles: ${roles}`);
}
async function sources(): Promise<Record<string, string>> {
  const { rows } = await context.db.pool.query<{ name: string; source: string }>('SELECT name, source FROM barclamps ORDER BY name');
  return Object.fromEntries(rows.map((row) => [row.name, row.source]));
}
const startError = (): Promise<ConfigError> =>
  importInstalledBarclamps(context).then(
    () => Promise.reject(new Error('it started')),
    (error: unknown) => (error instanceof ConfigError ? error : Promise.reject(new Error(String(error)))),
  );

describe('at start', () => {
  it('what ships with Prybar and the folders of the directory are imported, however often', async () => {
    await write('ours', '[{ name: ours, jig: script, requires: [theirs, provisioner-os-install] }]');
    await write('theirs', '[{ name: theirs, jig: noop }]');
    await mkdir(path.join(directory, '.git'));
    await mkdir(path.join(directory, 'notes'));
    for (let start = 0; start < 2; start += 1) {
      await importInstalledBarclamps(context);
      expect(await sources()).toEqual({ crowbar: 'built-in', demo: 'built-in', ours: 'directory', theirs: 'directory' });
    }
  });

  it.each<[string, string, string]>([
    ['a key nobody knows', '[{ name: ours, jig: noop, require: [] }]', 'PRYBAR_BARCLAMPS: ours/barclamp.yml: roles.0 (ours).require'],
    ['a requirement that dangles', '[{ name: ours, jig: noop, requires: [gone] }]', "role 'ours' requires 'gone'"],
    ['a hook that no code provides', '[{ name: ours, jig: noop, hooks: [onActive] }]', "role ours: hooks: no code provides its hook 'onActive'"],
    ['a role that ships with Prybar', '[{ name: managed-node, jig: noop }]', "belongs to barclamp 'crowbar'"],
  ])('%s in the directory stops the start and says where; what ships is there', async (_case, roles, words) => {
    await write('ours', roles);
    const error = await startError();
    expect(error.message).toContain(words);
    expect(error.fix).toContain(directory);
    expect(await sources()).toEqual({ crowbar: 'built-in', demo: 'built-in' });
  });

  it('a directory that is not there stops the start', async () => {
    context.config.barclamps = path.join(directory, 'nowhere');
    expect((await startError()).message).toContain('cannot be read (ENOENT)');
  });

  it('a role that another version imported and nothing here can carry out is told', async () => {
    await importInstalledBarclamps(context);
    expect(await checkStoredRoles(context.db.pool, roleCode(context))).toEqual([]);
    await context.db.pool.query(`INSERT INTO roles (name, barclamp, jig, hooks) VALUES ('old', 'x', 'chef', '{onNodeFoo}')`);
    expect(await checkStoredRoles(context.db.pool, roleCode(context))).toMatchObject([{ field: 'role old: jig' }, { field: 'role old: hooks' }]);
  });

  it('the functions that roles may count on are those there are', async () => {
    const opened = await openRoleFunctions(context);
    // The function of all barriers is the engine's own.
    expect([...opened.functions.keys()].filter((name) => name !== 'barrier').sort()).toEqual([...ROLES_WITH_FUNCTIONS].sort());
    await opened.close();
  });
});
