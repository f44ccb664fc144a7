/** What an installation needs on this machine, looked at from outside: loaders, images, programs, ports. Changes nothing. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { loadBootenvs } from '../bootenvs/registry.js';
import { imageDirectory, payloadKind } from '../bootenvs/stand-ins.js';
import type { Config } from '../config/config.js';
import { describeOwners, findUdpOwners } from '../dhcp/port-owner.js';

export type Finding = {
  area: 'loaders' | 'images' | 'bootenvs' | 'programs' | 'ports';
  name: string;
  /** missing: something real machines need; warning: some of them, or a part of the program. */
  state: 'ok' | 'warning' | 'missing';
  detail: string;
  /** What to do; empty when it is ok. */
  fix: string;
};

/** Loader -> who boots by it, and whether that is everybody's business. netboot-rules 14, 15. */
const LOADERS: readonly (readonly [name: string, serves: string, state: 'warning' | 'missing'])[] = [
  ['undionly.kpxe', 'BIOS', 'missing'],
  ['snponly.efi', 'UEFI x64', 'missing'],
  ['ipxe.efi', 'UEFI x64 with the drivers of iPXE', 'warning'],
  ['local.efi', 'UEFI machines that boot their disk', 'missing'],
  ['grubia32.efi', 'UEFI ia32', 'warning'],
  ['grubaa64.efi', 'UEFI arm64', 'warning'],
  ['shimx64.efi', 'Secure Boot', 'warning'],
  ['grubx64.efi', 'Secure Boot, started by shim', 'warning'],
];

const PROGRAMS: readonly (readonly [name: string, use: string])[] = [
  ['ipmitool', 'power of machines over IPMI'],
  ['ssh', 'scripts on machines without an agent'],
];

const PROGRAM_FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];

export async function examine(config: Config): Promise<Finding[]> {
  return [...(await loaders(config)), ...(await images(config)), ...(await programs(config)), ...(await ports(config))];
}

async function loaders(config: Config): Promise<Finding[]> {
  return Promise.all(
    LOADERS.map(async ([name, serves, state]): Promise<Finding> => {
      const found = await stat(path.join(config.home, 'loaders', name)).catch(() => undefined);
      const isThere = found !== undefined && found.isFile() && found.size > 0;
      return {
        area: 'loaders',
        name,
        state: isThere ? 'ok' : state,
        detail: isThere ? `${serves}, ${found.size} bytes` : `${serves}: not there`,
        fix: isThere ? '' : 'npm run setup',
      };
    }),
  );
}

async function images(config: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { registry, refused } = await loadBootenvs({ home: config.home });
  for (const { folder, problem } of refused)
    findings.push({ area: 'bootenvs', name: folder, state: 'missing', detail: problem, fix: 'correct it, then: prybar bootenvs check' });
  for (const { name, definition, problems } of [...registry.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    for (const problem of problems.filter((text) => text.includes('does not render')))
      findings.push({ area: 'bootenvs', name, state: 'missing', detail: problem, fix: 'correct the template, then: prybar bootenvs check' });
    for (const file of [...(definition.kernel === undefined ? [] : [definition.kernel]), ...definition.initrds]) {
      const kind = await payloadKind(path.join(imageDirectory(config.home, name), file));
      const isOurs = definition.os_family === 'prybar' || name === 'image';
      const fix = isOurs ? 'npm run images' : `prybar bootenvs import ${name} --url ${definition.sources[file] ?? '<URL>'} --as ${file} --sha256 <sum>`;
      // A machine that nobody knows boots discovery: without it nothing begins. A system's own files are wanted by who installs it.
      const state = kind === 'payload' ? 'ok' : isOurs ? 'missing' : 'warning';
      const detail = { payload: 'there', 'stand-in': 'a stand-in for the simulated rack: no real machine boots it', missing: 'not there' }[kind];
      findings.push({ area: 'images', name: `${name}/${file}`, state, detail, fix: state === 'ok' ? '' : fix });
    }
  }
  return findings;
}

async function programs(config: Config): Promise<Finding[]> {
  const folders = [
    ...(process.env['PATH'] ?? '').split(path.delimiter),
    ...PROGRAM_FOLDERS,
    ...['usr/bin', 'usr/sbin', 'bin'].map((folder) => path.join(config.home, 'tools', 'root', folder)),
  ];
  return Promise.all(
    PROGRAMS.map(async ([name, use]): Promise<Finding> => {
      for (const folder of folders.filter(Boolean)) {
        const file = path.join(folder, name);
        const isThere = await access(file, constants.X_OK).then(
          () => true,
          () => false,
        );
        if (isThere) return { area: 'programs', name, state: 'ok', detail: `${use}: ${file}`, fix: '' };
      }
      return {
        area: 'programs',
        name,
        state: 'warning',
        detail: `${use}: not there`,
        fix: name === 'ssh' ? 'apt-get install openssh-client' : 'npm run setup',
      };
    }),
  );
}

/** Who holds the UDP ports of boot services. Prybar itself, when it runs, is one of them. */
async function ports(config: Config): Promise<Finding[]> {
  const wanted: readonly (readonly [string, number])[] = [
    ['DHCP', config.dhcpPort],
    ['TFTP', config.tftpPort],
    ['PXE boot server', 4011],
  ];
  return Promise.all(
    wanted.map(async ([name, port]): Promise<Finding> => {
      const owners = await findUdpOwners(port);
      const isFree = owners.length === 0 || owners.every((owner) => owner.name === 'node' || owner.name.startsWith('node'));
      return {
        area: 'ports',
        name: `${name} ${port}/udp`,
        state: isFree ? 'ok' : 'warning',
        detail: owners.length === 0 ? 'free' : `held by ${describeOwners(owners)}`,
        fix: isFree ? '' : 'stop it, or serve beside it in proxy mode: docs/dhcp.md',
      };
    }),
  );
}
