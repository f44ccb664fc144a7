/**
 * `PRYBAR_HOME/external.yml`: the servers of the site that this machine's Prybar drives. Paths, commands and keys are the
 * word of whoever owns the machine, never of the API: a token must not be a way to write files or to start programs.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigError } from '../../shared/errors.js';
import { codeOf } from './atomic-file.js';

const absolute = z.string().refine((text) => path.isAbsolute(text) && !/[\u0000-\u001f\u007f"\\]/.test(text), 'must be an absolute path');
const command = z.array(z.string().min(1)).min(1, 'the program and its arguments, a list');
const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'small letters, digits and dashes');

const common = {
  name: name.describe('What `prybar dhcp external` and `why` call it'),
  networks: z.array(z.string().min(1)).default([]).describe('Names of the networks it serves; none: all of them'),
};

const dnsmasq = z.strictObject({
  ...common,
  kind: z.literal('dnsmasq'),
  hosts_file: absolute,
  options_file: absolute,
  pid_file: absolute.optional().describe('Where SIGHUP goes'),
  reload: command.optional().describe('Instead of SIGHUP, for instance [systemctl, reload, dnsmasq]'),
  restart: command.optional().describe('Instead of both, for instance [systemctl, restart, dnsmasq]; what tags need'),
  tags: z.boolean().default(false).describe('A machine that boots its disk gets no boot file'),
  log_file: absolute.optional().describe('log-facility of dnsmasq: proves the reload and shows refused lines'),
  discover_unknown: z.boolean().default(false),
  loader_for_local: z.boolean().default(false),
});

const iscDhcpd = z.strictObject({
  ...common,
  kind: z.literal('isc-dhcpd'),
  hosts_file: absolute.describe('Included by dhcpd.conf'),
  check: command.optional().describe('Run before the restart, for instance [dhcpd, -t, -cf, /etc/dhcp/dhcpd.conf]'),
  restart: command,
  pid_file: absolute,
  loader_for_local: z.boolean().default(false),
});

const iscOmapi = z.strictObject({
  ...common,
  kind: z.literal('isc-omapi'),
  address: z.string().default('127.0.0.1'),
  port: z.number().int().min(1).max(65_535).default(7911),
  key_name: z.string().regex(/^[A-Za-z0-9._-]{1,200}$/, 'letters, digits, dot, dash, underscore'),
  key_file: absolute.describe('Holds the secret in base64, as in the key statement; readable by Prybar alone'),
});

const pxelinux = z.strictObject({
  ...common,
  kind: z.literal('pxelinux'),
  directory: absolute.describe('pxelinux.cfg below the TFTP root'),
  target: z.string().min(1).default('../{bootenv}/pxelinux.cfg').describe('Where a link leads'),
  targets: z.record(z.string(), z.string().min(1).nullable()).default({}).describe('By bootenv; null: no link, the machine boots `default`'),
});

const serverSchema = z.discriminatedUnion('kind', [dnsmasq, iscDhcpd, iscOmapi, pxelinux]).superRefine((server, issues) => {
  if (server.kind !== 'dnsmasq') return;
  if (server.pid_file === undefined && server.reload === undefined && server.restart === undefined)
    issues.addIssue({ code: 'custom', path: ['pid_file'], message: 'is required, or reload, or restart' });
  // interchange/dnsmasq.ts tells why.
  if (server.tags && server.restart === undefined)
    issues.addIssue({ code: 'custom', path: ['tags'], message: 'need restart: a dnsmasq up to 2.90 does not survive a reload with tags in use' });
});

const fileSchema = z.strictObject({ servers: z.array(serverSchema) }).superRefine(({ servers }, issues) => {
  servers.forEach((server, index) => {
    if (servers.findIndex((other) => other.name === server.name) !== index)
      issues.addIssue({ code: 'custom', path: ['servers', index, 'name'], message: `there are two servers named ${server.name}` });
  });
});

export type ExternalSettings = z.output<typeof serverSchema>;
export type DnsmasqSettings = z.output<typeof dnsmasq>;
export type IscDhcpdSettings = z.output<typeof iscDhcpd>;
export type IscOmapiSettings = z.output<typeof iscOmapi>;
export type PxelinuxSettings = z.output<typeof pxelinux>;

/** The servers of the file; none when there is no file. Throws ConfigError naming file, field and what it may be. */
export async function readExternalSettings(home: string): Promise<ExternalSettings[]> {
  const file = path.join(home, 'external.yml');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw new ConfigError(`${file} cannot be read`, 'let the user that runs Prybar read it', { cause });
  }
  return parseExternalSettings(text, file);
}

/** The same from the file's text. */
export function parseExternalSettings(text: string, file: string): ExternalSettings[] {
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw new ConfigError(`${file} is not YAML: ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : ''}`, 'correct it', { cause });
  }
  const parsed = fileSchema.safeParse(document ?? { servers: [] });
  if (parsed.success) return parsed.data.servers;
  const issue = parsed.error.issues[0];
  throw new ConfigError(`${file}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not valid'}`, 'docs/external-dhcp.md shows each kind of server');
}
