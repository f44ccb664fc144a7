import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { buildProgram } from '../../../src/cli/program.js';
import { createCli } from '../../../src/cli/session.js';
import * as answer from './answers.js';
import { openBench, type Bench } from './invoke.js';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const ERROR_ONE = answer.noderole(12, 2, 'rack-n002', 'ERROR');
const NODES = [answer.node(1, 'rack-n001', true), answer.node(2, 'rack-n002', false)];
const NODE_ROLES = [answer.noderole(11, 1, 'rack-n001', 'ACTIVE'), ERROR_ONE];
const COMMITTED = { revision: 1, committed: 2, deployment: answer.deployment };
/** The API answers 204: there is no JSON to print. */
const NOTHING = undefined;

/** Every command, a command line for it, and what it prints: one document, or one on each line. */
const COMMANDS: [string, string[], unknown][] = [
  ['status', [], answer.status],
  ['nodes list', ['--alive', '--state', 'error', '--limit', '5'], answer.page(NODES)],
  ['nodes show', ['rack-n002'], NODES[1]],
  ['nodes power', ['rack-n002', 'cycle', '--boot', 'pxe'], NODES[1]],
  ['nodes bmc', ['rack-n002', '--driver', 'ipmi', '--address', '10.0.0.9'], NODES[1]],
  ['nodes create', ['rack-n002', '--mac', '52:54:00:00:00:02'], NODES[1]],
  ['nodes set', ['rack-n002', '--no-available'], NODES[1]],
  ['nodes delete', ['rack-n002'], NOTHING],
  ['nodes move', ['rack-n002', 'demo'], answer.move],
  ['nodes target', ['rack-n002', 'base-packages'], answer.target],
  [
    'nodes timeline',
    ['rack-n002'],
    { node: { id: 2, name: 'rack-n002' }, items: [{ at: '2026-11-21T10:00:00.000Z', source: 'boot', id: 1, kind: 'dhcp', text: 'offer 127.77.0.11' }] },
  ],
  ['boot timeline', ['rack-n002'], answer.bootTimeline],
  ['boot doctor', ['rack-n002'], answer.bootDoctor],
  ['boot ca', [], answer.bootAuthority],
  ['boot transfers', ['--state', 'running', '--protocol', 'tftp'], answer.page([answer.bootTransfer])],
  ['dhcp ask', ['--mac', '52:54:00:00:00:02', '--arch', '7'], answer.reaction],
  ['dhcp import', [path.resolve('test/fixtures/import/dnsmasq.hosts'), '--dry-run'], answer.imported],
  ['dhcp explain', [path.resolve('test/fixtures/packets/ovmf-boot.pcap')], answer.explained],
  ['boot unknown', ['--search', '00:99'], answer.page([answer.unknownMachine])],
  ['deployments list', ['--all'], answer.page([answer.deployment])],
  ['deployments show', ['demo'], answer.deployment],
  ['deployments create', ['demo', '--description', 'for show'], answer.deployment],
  ['deployments bind', ['demo', 'rack-n002', '--role', 'base-packages', '--data', '{"packages":[]}'], answer.page([{ noderole: ERROR_ONE, created: [12] }])],
  ['deployments commit', ['demo'], COMMITTED],
  ['plan', ['demo'], answer.plan],
  ['apply', ['site.yml'], answer.batch],
  ['deployments history', ['demo'], answer.page([answer.revisionHead])],
  ['deployments diff', ['demo', '1', '2'], answer.revisionDiff],
  ['deployments rollback', ['demo', '--to', '1'], answer.rollback],
  ['deployments redeploy', ['demo', '--yes'], answer.redeploy],
  ['nodes redeploy', ['rack-n002', '--yes'], answer.redeploy],
  ['noderoles redeploy', ['12', '--yes'], answer.redeploy],
  ['deployments set-data', ['demo', 'base-packages', '{"packages":[]}'], answer.deploymentRole],
  ['deployments pause', ['demo'], answer.deployment],
  ['deployments resume', ['demo'], answer.deployment],
  ['deployments power-on', ['demo', 'never'], answer.deployment],
  ['deployments recall', ['demo'], answer.deployment],
  ['deployments propose', ['demo'], answer.proposed],
  ['deployments watch', ['demo'], answer.deployment],
  ['deployments delete', ['demo'], NOTHING],
  ['rollout show', ['demo'], answer.rollout],
  ['rollout set', ['demo', '--canaries', '1', '--in-flight', '20%', '--per', 'hint.rack'], answer.rollout],
  ['rollout pause', ['demo'], answer.rollout],
  ['rollout resume', ['demo'], answer.rollout],
  ['rollout abort', ['demo'], answer.rollout],
  ['rollout remove', ['demo'], NOTHING],
  ['roles list', [], answer.page([answer.role])],
  ['roles show', ['base-packages'], answer.role],
  ['barclamps list', [], answer.page([answer.barclamp])],
  ['barclamps show', ['demo'], answer.barclampDetail],
  ['barclamps import', [path.resolve('src/roles/catalog')], answer.barclampImport],
  ['barclamps remove', ['demo'], NOTHING],
  ['noderoles list', ['--node', 'rack-n002'], answer.page(NODE_ROLES)],
  ['noderoles show', ['base-packages@rack-n002'], ERROR_ONE],
  ['noderoles retry', ['12'], ERROR_ONE],
  ['noderoles rerun', ['--deployment', 'demo', '--role', 'base-packages', '--all-errors', '--dry-run'], answer.bulk],
  ['noderoles cancel', ['12'], ERROR_ONE],
  ['noderoles propose', ['12'], ERROR_ONE],
  ['noderoles set-data', ['12', '{"packages":["vim"]}'], ERROR_ONE],
  ['noderoles unbind', ['12'], NOTHING],
  ['noderoles why', ['12'], answer.why],
  ['runs list', ['--noderole', 'base-packages@rack-n002', '--outcome', 'failed'], answer.page([answer.run])],
  ['runs show', ['31'], answer.runDetail],
  ['runs force-end', ['31', '--reason', 'it is in the bin'], answer.runDetail],
  ['runs logs', ['31'], { items: [{ seq: 0, at: '2026-11-21T10:00:01.000Z', text: 'installing nginx\n' }], ended: true }],
  ['attribs list', ['12'], answer.attribList],
  ['attribs explain', ['12', 'packages'], answer.attribOne],
  ['attribs get', ['12', 'packages', '--bucket', 'noderole.committed'], answer.attribOne],
  ['attribs set', ['12', 'packages', '["vim"]'], answer.attribOne],
  ['attribs unset', ['12', 'packages'], NOTHING],
  ['attribs inputs', ['31'], answer.runInputs],
  ['why', ['rack-n002'], answer.page([answer.why])],
  ['bootenvs list', [], answer.page([answer.bootenv])],
  ['dhcp external list', ['--problem'], { items: [answer.externalServer], total: 1 }],
  ['dhcp external remove', ['lab', '--yes'], NOTHING],
  ['dhcp snippet', ['--for', 'isc-driven'], answer.snippet],
  ['bootenvs preview', ['debian-12', 'rack-n002'], answer.bootenvPreview],
  ['caps list', [], answer.caps],
  ['caps set', ['ssh', '10'], answer.caps],
  ['caps remove', ['ssh'], answer.caps],
  ['anneal', [], answer.anneal],
  ['hooks list', ['--parked', '--role', 'dhcp-database'], answer.page([answer.hookDelivery])],
  ['hooks show', ['51'], answer.hookDelivery],
  ['hooks replay', ['51'], { replayed: 1 }],
  ['hooks drop', ['51'], NOTHING],
  ['networks list', ['--category', 'admin'], answer.page([answer.network])],
  ['networks show', ['admin'], answer.network],
  [
    'networks create',
    ['admin', '10.0.0.0/24', '--range', 'dhcp=10.0.0.100-10.0.0.199', '--router', '10.0.0.1=10', '--data', '{"quiet_ra":true}'],
    answer.network,
  ],
  ['networks set', ['admin', '--vlan', '7', '--suffix', '-', '--no-configure'], answer.network],
  ['networks delete', ['admin', '--force'], NOTHING],
  ['allocations list', ['--network', 'admin', '--unmanaged'], answer.page([answer.allocation])],
  ['allocations create', ['admin', '--hostname', 'switch1', '--mac', '52:54:00:00:00:09'], answer.allocation],
  ['allocations delete', ['5'], NOTHING],
  ['leases list', ['--state', 'active'], answer.page([answer.lease])],
  ['leases release', ['10.0.0.150'], NOTHING],
  ['dns zones', [], { items: [answer.zone], total: 1 }],
  ['dns zone', ['rack.example', '--ttl', '30', '--filter', '{"roles":["ceph"]}'], answer.zone],
  ['dns forget-zone', ['rack.example'], NOTHING],
  ['dns export', ['rack.example'], { items: [answer.zoneFile], total: 1 }],
  ['dns records', [], answer.page([answer.record])],
  ['dns add', ['www.rack.example', 'CNAME', 'ctrl1.rack.example'], answer.record],
  ['dns remove', ['3'], NOTHING],
  ['tokens list', [], answer.page([answer.token])],
  ['tokens create', ['ci', '--scope', 'viewer'], { ...answer.token, token: 'prybar-token' }],
  ['tokens revoke', ['2'], NOTHING],
  ['webhooks list', [], answer.page([answer.webhook])],
  ['webhooks show', ['board'], answer.webhook],
  [
    'webhooks add',
    ['board', 'https://board.example/hook', '--kind', 'alarm', '--state', 'error', '--node', 'rack-n002'],
    { ...answer.webhook, secret: 'whsec_1' },
  ],
  ['webhooks set', ['board', '--no-active', '--node', '-'], answer.webhook],
  ['webhooks remove', ['board'], NOTHING],
  ['webhooks test', ['board'], answer.webhookDelivery],
  ['webhooks deliveries', ['board', '--status', 'delivered'], answer.page([answer.webhookDelivery])],
  ['webhooks replay', ['board', '--all'], { replayed: 1 }],
];

/** Tested elsewhere, because their answers are streams: events in watch.test.ts, up in up.test.ts. */
/** Work on this machine's files, without a server: local.test.ts. */
const LOCAL = ['bootenvs check', 'bootenvs import', 'dhcp check', 'doctor'];

const STREAMS = ['events', 'up'];

function leaves(command: Command, path: string[] = []): string[] {
  const own = command.parent === null ? path : [...path, command.name()];
  return command.commands.length === 0 ? [own.join(' ')] : command.commands.flatMap((child) => leaves(child, own));
}

describe('--json', () => {
  it('is tested for every command there is', () => {
    const surroundings = {
      env: {},
      cwd: '/',
      packageRoot: process.cwd(),
      stdout: { write: () => true },
      stderr: { write: () => true },
      signal: new AbortController().signal,
      now: Date.now,
    };
    const all = leaves(buildProgram(createCli(surroundings)));
    expect([...COMMANDS.map(([name]) => name), ...STREAMS, ...LOCAL].sort()).toEqual(all.sort());
  });

  it.each(COMMANDS)('prints exactly the answer of the API: %s', async (name, args, expected) => {
    const { exitCode, stdout, stderr } = await bench.prybar([...name.split(' '), ...args, '--json']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    if (expected === NOTHING) expect(stdout).toBe('');
    else expect(JSON.parse(stdout)).toEqual(expected);
  });

  it.each(COMMANDS)('prints text without it, and no control characters to a pipe: %s', async (name, args) => {
    const { exitCode, stdout } = await bench.prybar([...name.split(' '), ...args]);
    expect(exitCode).toBe(0);
    // oxlint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(stdout).not.toMatch(/^[{[]/);
  });

  it('works before the command as well as after it', async () => {
    const { stdout } = await bench.prybar(['--json', 'status']);
    expect(JSON.parse(stdout)).toEqual(answer.status);
  });

  it('prints a problem document on stderr, and nothing on stdout, when the server refuses', async () => {
    const { exitCode, stdout, stderr } = await bench.prybar(['nodes', 'show', 'nope', '--json']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ status: 404, code: 'not-found', next: 'prybar nodes list' });
  });

  it('prints a problem document for a wrong command line too', async () => {
    const { exitCode, stdout, stderr } = await bench.prybar(['nodes', 'lst', '--json']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ code: 'usage', detail: expect.stringContaining('Did you mean list?') });
  });
});
