/** Runs the CLI in this process with its own streams, and a stub of the API that knows one small fleet. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCli } from '../../../src/cli/main.js';
import * as answer from './answers.js';
import { startStubApi, TOKEN, type StubApi } from './stub-api.js';

export type Outcome = { exitCode: number; stdout: string; stderr: string };

export type Bench = {
  api: StubApi;
  /** The data directory, with its url and admin-token files. */
  home: string;
  /** Runs one command line against the stub. */
  prybar: (
    args: string[],
    options?: {
      env?: NodeJS.ProcessEnv;
      signal?: AbortSignal;
      tty?: { columns: number; rows: number };
      onOutput?: (stdout: string) => void;
      ask?: (question: string) => Promise<string>;
    },
  ) => Promise<Outcome>;
  close: () => Promise<void>;
};

/** Everything the small fleet answers: two nodes, one ACTIVE and one in ERROR. */
function fillFleet({ answers }: StubApi): void {
  const nodes = [answer.node(1, 'rack-n001', true), answer.node(2, 'rack-n002', false)];
  const noderoles = [answer.noderole(11, 1, 'rack-n001', 'ACTIVE'), answer.noderole(12, 2, 'rack-n002', 'ERROR')];
  const put = (key: string, body?: unknown): void => void answers.set(key, { body });
  put('GET /api/v2/status', answer.status);
  put('GET /api/v2/anneal', answer.anneal);
  put('GET /api/v2/nodes', answer.page(nodes));
  put('GET /api/v2/nodes/rack-n002', nodes[1]);
  put('PUT /api/v2/nodes/rack-n002/power', nodes[1]);
  put('PUT /api/v2/nodes/rack-n002/bmc', nodes[1]);
  put('POST /api/v2/nodes', nodes[1]);
  put('PATCH /api/v2/nodes/rack-n002', nodes[1]);
  put('DELETE /api/v2/nodes/rack-n002');
  put('GET /api/v2/nodes/rack-n002/timeline', {
    node: { id: 2, name: 'rack-n002' },
    items: [
      {
        at: '2026-11-21T10:00:00.000Z',
        source: 'boot',
        id: 1,
        kind: 'dhcp',
        text: 'offer 127.77.0.11',
      },
    ],
  });
  put('GET /api/v2/nodes/rack-n002/boot-timeline', answer.bootTimeline);
  put('GET /api/v2/nodes/rack-n002/boot-doctor', answer.bootDoctor);
  put('GET /api/v2/boot/ca', answer.bootAuthority);
  put('GET /api/v2/boot/transfers', answer.page([answer.bootTransfer]));
  put('POST /api/v2/dhcp/ask', answer.reaction);
  put('POST /api/v2/dhcp/explain', answer.explained);
  put('POST /api/v2/dhcp/import', answer.imported);
  put('GET /api/v2/boot/unknown', answer.page([answer.unknownMachine]));
  put('GET /api/v2/deployments', answer.page([answer.deployment]));
  put('POST /api/v2/deployments', answer.deployment);
  put('GET /api/v2/deployments/demo', answer.deployment);
  put('DELETE /api/v2/deployments/demo');
  put('PATCH /api/v2/deployments/demo', answer.deployment);
  put('GET /api/v2/deployment_roles', answer.page([answer.deploymentRole]));
  put('PUT /api/v2/deployment_roles/5', answer.deploymentRole);
  put('DELETE /api/v2/node_roles/12');
  put('PUT /api/v2/deployments/demo/commit', {
    revision: 1,
    committed: 2,
    deployment: answer.deployment,
  });
  put('PUT /api/v2/deployments/demo/recall', answer.deployment);
  put('PUT /api/v2/deployments/demo/propose', answer.proposed);
  put('POST /api/v2/deployments/demo/plan', answer.plan);
  put('POST /api/v2/batch', answer.batch);
  put('GET /api/v2/deployments/demo/revisions', answer.page([answer.revisionHead]));
  put('GET /api/v2/deployments/demo/revisions/1', answer.revision);
  put('GET /api/v2/deployments/demo/revisions/2/diff', answer.revisionDiff);
  put('POST /api/v2/deployments/demo/rollback', answer.rollback);
  for (const key of ['deployments/demo', 'nodes/rack-n002', 'node_roles/12']) put(`PUT /api/v2/${key}/redeploy`, answer.redeploy);
  for (const call of ['GET rollout', 'PUT rollout', 'PUT rollout/pause', 'PUT rollout/resume', 'PUT rollout/abort'])
    put(call.replace(' ', ' /api/v2/deployments/demo/'), answer.rollout);
  put('DELETE /api/v2/deployments/demo/rollout');
  put('PUT /api/v2/nodes/rack-n002/move', answer.move);
  put('PUT /api/v2/nodes/rack-n002/target-role', answer.target);
  for (const node of ['rack-n001', 'rack-n002']) put(`GET /api/v2/nodes/${node}/deletion`, { finalizers: [], waits_for: [] });
  put('PUT /api/v2/node_roles/rerun', answer.bulk);
  put('GET /api/v2/deployments/demo/matrix', answer.matrix(['ACTIVE', 'ACTIVE']));
  put('GET /api/v2/barclamps', answer.page([answer.barclamp]));
  put('GET /api/v2/barclamps/demo', answer.barclampDetail);
  put('POST /api/v2/barclamps', answer.barclampImport);
  put('DELETE /api/v2/barclamps/demo');
  put('GET /api/v2/roles', answer.page([answer.role]));
  put('GET /api/v2/roles/base-packages', answer.role);
  put('GET /api/v2/node_roles', answer.page(noderoles));
  put('POST /api/v2/node_roles', { noderole: noderoles[1], created: [12] });
  for (const key of ['12', 'base-packages@rack-n002']) {
    put(`GET /api/v2/node_roles/${encodeURIComponent(key)}`, noderoles[1]);
    put(`PUT /api/v2/node_roles/${encodeURIComponent(key)}`, noderoles[1]);
    for (const verb of ['retry', 'cancel', 'propose']) put(`PUT /api/v2/node_roles/${encodeURIComponent(key)}/${verb}`, noderoles[1]);
    put(`GET /api/v2/node_roles/${encodeURIComponent(key)}/why`, answer.why);
    put(`GET /api/v2/node_roles/${encodeURIComponent(key)}/runs`, answer.page([answer.run]));
  }
  put('GET /api/v2/node_roles/12/attribs', answer.attribList);
  for (const method of ['GET', 'PUT']) put(`${method} /api/v2/node_roles/12/attribs/packages`, answer.attribOne);
  put('DELETE /api/v2/node_roles/12/attribs/packages');
  put('GET /api/v2/runs/31/inputs', answer.runInputs);
  put('GET /api/v2/runs', answer.page([answer.run]));
  put('GET /api/v2/runs/31', answer.runDetail);
  put('POST /api/v2/runs/31/force-end', answer.runDetail);
  put('GET /api/v2/runs/31/logs', {
    items: [{ seq: 0, at: '2026-11-21T10:00:01.000Z', text: 'installing nginx\n' }],
    ended: true,
  });
  put('GET /api/v2/external-servers', { items: [answer.externalServer], total: 1 });
  put('DELETE /api/v2/external-servers/lab');
  put('GET /api/v2/dhcp-snippets/isc-driven', answer.snippet);
  put('GET /api/v2/caps', answer.caps);
  put('PUT /api/v2/caps/ssh', answer.caps);
  put('GET /api/v2/bootenvs', answer.page([answer.bootenv]));
  put('GET /api/v2/bootenvs/debian-12/preview', answer.bootenvPreview);
  put('GET /api/v2/hooks', answer.page([answer.hookDelivery]));
  put('GET /api/v2/hooks/51', answer.hookDelivery);
  put('POST /api/v2/hooks/replay', { replayed: 1 });
  put('DELETE /api/v2/hooks/51');
  put('GET /api/v2/networks', answer.page([answer.network]));
  put('GET /api/v2/networks/admin', answer.network);
  put('POST /api/v2/networks', answer.network);
  put('PATCH /api/v2/networks/admin', answer.network);
  put('DELETE /api/v2/networks/admin');
  put('GET /api/v2/allocations', answer.page([answer.allocation]));
  put('POST /api/v2/allocations', answer.allocation);
  put('DELETE /api/v2/allocations/5');
  put('GET /api/v2/leases', answer.page([answer.lease]));
  put('DELETE /api/v2/leases/10.0.0.150');
  put('GET /api/v2/dns/zones', { items: [answer.zone], total: 1 });
  put('PUT /api/v2/dns/zones/rack.example', answer.zone);
  put('DELETE /api/v2/dns/zones/rack.example');
  put('GET /api/v2/dns/zones/rack.example/file', answer.zoneFile);
  put('GET /api/v2/dns/records', answer.page([answer.record]));
  put('POST /api/v2/dns/records', answer.record);
  put('DELETE /api/v2/dns/records/3');
  put('GET /api/v2/tokens', answer.page([answer.token]));
  put('POST /api/v2/tokens', { ...answer.token, token: 'prybar-token' });
  put('DELETE /api/v2/tokens/2');
  put('GET /api/v2/webhooks', answer.page([answer.webhook]));
  put('POST /api/v2/webhooks', { ...answer.webhook, secret: 'whsec_1' });
  put('GET /api/v2/webhooks/board', answer.webhook);
  put('PATCH /api/v2/webhooks/board', answer.webhook);
  put('DELETE /api/v2/webhooks/board');
  put('POST /api/v2/webhooks/board/test', answer.webhookDelivery);
  put('GET /api/v2/webhooks/board/deliveries', answer.page([answer.webhookDelivery]));
  put('POST /api/v2/webhooks/board/replay', { replayed: 1 });
}

/** Starts the stub and makes the data directory. */
export async function openBench(): Promise<Bench> {
  const api = await startStubApi();
  fillFleet(api);
  const home = mkdtempSync(path.join(tmpdir(), 'prybar-cli-'));
  writeFileSync(path.join(home, 'site.yml'), 'deployments: [{ name: demo }]\n');
  writeFileSync(path.join(home, 'url'), `${api.url}\n`);
  writeFileSync(path.join(home, 'admin-token'), `${TOKEN}\n`, { mode: 0o600 });
  return {
    api,
    home,
    prybar: async (args, options = {}) => {
      let stdout = '';
      let stderr = '';
      const exitCode = await runCli(args, {
        env: { LANG: 'C.UTF-8', PRYBAR_HOME: home, ...options.env },
        cwd: home,
        packageRoot: process.cwd(),
        stdout: {
          write: (text) => {
            stdout += text;
            options.onOutput?.(stdout);
          },
          isTTY: options.tty !== undefined,
          ...options.tty,
        },
        stderr: { write: (text) => void (stderr += text) },
        ask: options.ask,
        signal: options.signal ?? new AbortController().signal,
        now: () => Date.parse('2026-11-21T10:00:10.000Z'),
      });
      return { exitCode, stdout, stderr };
    },
    close: async () => {
      await api.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
