/** What is installed is what the noderole says, else the deployment role, else the system's default; editing either before the commit changes it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '../../src/client/client.js';
import { waitFor } from '../support/wait-for.js';
import { Installation } from './support/installation.js';

const ROLE = 'provisioner-os-install';

describe('provisioner-os-install', () => {
  let installation: Installation;
  let client: Client;
  beforeAll(async () => {
    installation = await Installation.create();
    const run = installation.start(['--rack', '3', '--no-demo', '--plain']);
    await run.said(/web page and API/, 60_000);
    client = installation.client();
  });
  afterAll(async () => installation.close());

  it('installs the system that the deployment role, the noderole or the default names, as they were at the commit', async () => {
    const nodes = await waitFor(
      async () => {
        const { items } = await client.nodes.list({ limit: 100 });
        const ready = items.filter((node) => node.serial !== null && node.alive && node.bmc !== null);
        return ready.length === 3 ? ready.map((node) => node.name).sort() : undefined;
      },
      { what: 'three machines, alive and with a BMC', timeoutMs: 60_000, everyMs: 200 },
    );
    const [byDeployment = '', byNodeRole = '', byDefault = ''] = nodes;
    for (const name of ['with-default', 'without']) await client.deployments.create({ name });
    const bind = async (node: string, deployment: string) => (await client.nodeRoles.bind({ role: ROLE, node, deployment })).noderole;
    const bound = {
      byDeployment: await bind(byDeployment, 'with-default'),
      byNodeRole: await bind(byNodeRole, 'with-default'),
      byDefault: await bind(byDefault, 'without'),
    };

    // Edited after the binding and before the commit, the deployment role twice: the last word counts.
    const roles = await client.deploymentRoles.list({ deployment: 'with-default' });
    const osRole = roles.items.find((one) => one.role.name === ROLE);
    if (osRole === undefined) throw new Error(`no deployment role ${ROLE} in ${JSON.stringify(roles.items)}`);
    await client.deploymentRoles.setData(osRole.id, { 'target-os': 'debian-12' });
    await client.deploymentRoles.setData(osRole.id, { 'target-os': 'rocky-9' });
    await client.nodeRoles.setData(bound.byNodeRole.id, { 'target-os': 'ubuntu-24.04' });
    for (const name of ['with-default', 'without']) await client.deployments.commit(name);

    const wanted = { byDeployment: 'rocky-9', byNodeRole: 'ubuntu-24.04', byDefault: 'debian-12' };
    for (const [which, os] of Object.entries(wanted) as [keyof typeof wanted, string][]) {
      const noderole = await waitFor(
        async () => {
          const seen = await client.nodeRoles.get(bound[which].id);
          if (seen.state === 'ERROR') throw new Error(JSON.stringify(seen.error));
          return seen.state === 'ACTIVE' ? seen : undefined;
        },
        { what: `${which} to be ACTIVE`, timeoutMs: 90_000, everyMs: 200 },
      );
      expect(noderole.wall).toMatchObject({ os, spec: { targetOs: os } });
      expect(await installation.query('SELECT bootenv, status FROM installs WHERE node_id = $1', [noderole.node.id])).toEqual([
        { bootenv: os, status: 'completed' },
      ]);
      expect((await client.nodes.get(noderole.node.name)).observed).toMatchObject({ class: 'installed' });
    }
  });

  it('does not install again when the data are edited after the commit', async () => {
    const [noderole] = (await client.nodeRoles.list({ deployment: 'without', role: ROLE, limit: 1 })).items;
    if (noderole === undefined) throw new Error('no noderole');
    await client.nodeRoles.setData(noderole.id, { 'target-os': 'rocky-9' });
    await client.deployments.commit('without');
    await waitFor(async () => (await client.anneal()).state === 'finished' && (await client.nodeRoles.get(noderole.id)).state === 'ACTIVE', {
      what: 'the commit to be through',
      timeoutMs: 60_000,
      everyMs: 200,
    });
    expect(await installation.query('SELECT bootenv FROM installs WHERE node_id = $1', [noderole.node.id])).toEqual([{ bootenv: 'debian-12' }]);
  });
});
