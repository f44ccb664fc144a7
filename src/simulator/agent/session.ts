import type { BootLife } from '../life.js';
import { callHomeFor } from './call-home.js';
import { factsOf, type RamdiskClass } from './facts.js';
import { welcomeSchema, type Welcome } from './messages.js';

/** An agent that has been let in. */
export type NodeSession = {
  readonly nodeId: number;
  readonly name: string;
  /** `<base>/node/<id>`, without a slash at the end. */
  readonly nodeUrl: string;
  readonly token: string;
  readonly heartbeatSeconds: number;
  readonly waitSeconds: number;
};

/** What an installed system finds on its disk. */
export type DiskSystem = {
  readonly installId: string;
  readonly nodeId: number;
  readonly diskToken: string;
  /** Base URL of the node-facing HTTP. */
  readonly agentUrl: string;
  readonly bootenv: string;
};

/** A ramdisk's first call: facts, with the boot token of the kernel line. Rejects with BootFailure `callback-refused`. */
export async function reportFacts(life: BootLife, baseUrl: string, bootToken: string, bootClass: RamdiskClass, signal: AbortSignal): Promise<NodeSession> {
  const base = baseUrl.replace(/\/+$/, '');
  const json = factsOf(life.identity, life.bootId, bootClass);
  const welcome = await callHomeFor(life, { method: 'POST', url: `${base}/node/facts`, token: bootToken, json }, welcomeSchema, signal);
  return sessionOf(base, welcome);
}

/** An installed system's first call, with the token on its disk. Rejects with BootFailure `callback-refused`. */
export async function reportBoot(life: BootLife, disk: DiskSystem, signal: AbortSignal): Promise<NodeSession> {
  const base = disk.agentUrl.replace(/\/+$/, '');
  const json = {
    boot_id: life.bootId,
    class: 'installed',
    install_id: /^\d+$/.test(disk.installId) ? Number(disk.installId) : disk.installId,
    os: disk.bootenv,
    kernel: 'simulated',
  };
  const welcome = await callHomeFor(life, { method: 'POST', url: `${base}/node/${disk.nodeId}/boot`, token: disk.diskToken, json }, welcomeSchema, signal);
  return sessionOf(base, welcome);
}

function sessionOf(base: string, welcome: Welcome): NodeSession {
  return {
    nodeId: welcome.node.id,
    name: welcome.node.name,
    nodeUrl: `${base}/node/${welcome.node.id}`,
    token: welcome.agent_token,
    heartbeatSeconds: welcome.heartbeat_seconds,
    waitSeconds: welcome.wait_seconds,
  };
}
