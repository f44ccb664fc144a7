/**
 * Options an operator may set on a network, a vendor class or a node, by name or code.
 * https://www.iana.org/assignments/bootp-dhcp-parameters/bootp-dhcp-parameters.xhtml
 */
import { err, ok, type Result } from '../shared/result.js';
import type { OptionMap } from './network.js';
import { encodeValue, isOptionShape, SHAPE_EXAMPLES, type OptionShape } from './option-values.js';

export type NamedOption = { readonly code: number; readonly shape: OptionShape };

/** RFC 2132 unless said otherwise. */
export const namedOptions: Readonly<Record<string, NamedOption>> = {
  'time-offset': { code: 2, shape: 'int32' },
  routers: { code: 3, shape: 'ip-list' },
  'time-servers': { code: 4, shape: 'ip-list' },
  'domain-name-servers': { code: 6, shape: 'ip-list' },
  'log-servers': { code: 7, shape: 'ip-list' },
  'lpr-servers': { code: 9, shape: 'ip-list' },
  'host-name': { code: 12, shape: 'string' },
  'domain-name': { code: 15, shape: 'string' },
  'swap-server': { code: 16, shape: 'ip' },
  'root-path': { code: 17, shape: 'string' },
  'ip-forwarding': { code: 19, shape: 'bool' },
  'default-ip-ttl': { code: 23, shape: 'uint8' },
  'interface-mtu': { code: 26, shape: 'uint16' },
  'router-discovery': { code: 31, shape: 'bool' },
  'static-routes': { code: 33, shape: 'ip-list' },
  'arp-cache-timeout': { code: 35, shape: 'uint32' },
  'default-tcp-ttl': { code: 37, shape: 'uint8' },
  'nis-domain': { code: 40, shape: 'string' },
  'nis-servers': { code: 41, shape: 'ip-list' },
  'ntp-servers': { code: 42, shape: 'ip-list' },
  'vendor-encapsulated-options': { code: 43, shape: 'hex' },
  'netbios-name-servers': { code: 44, shape: 'ip-list' },
  'netbios-node-type': { code: 46, shape: 'uint8' },
  'vendor-class': { code: 60, shape: 'string' },
  'tftp-server-name': { code: 66, shape: 'string' },
  'bootfile-name': { code: 67, shape: 'string' },
  'smtp-servers': { code: 69, shape: 'ip-list' },
  'www-servers': { code: 72, shape: 'ip-list' },
  // RFC 4833
  'posix-timezone': { code: 100, shape: 'string' },
  'timezone-name': { code: 101, shape: 'string' },
  // RFC 8925, seconds
  'ipv6-only-preferred': { code: 108, shape: 'uint32' },
  // RFC 8910
  'captive-portal': { code: 114, shape: 'string' },
  // RFC 2563
  'auto-configure': { code: 116, shape: 'bool' },
  'domain-search': { code: 119, shape: 'domain-list' },
  'classless-routes': { code: 121, shape: 'routes' },
  // RFC 5859
  'tftp-servers': { code: 150, shape: 'ip-list' },
  // RFC 5071, PXELINUX
  'pxelinux-config-file': { code: 209, shape: 'string' },
  'pxelinux-path-prefix': { code: 210, shape: 'string' },
  // Used without assignment: Microsoft's form of 121, and WPAD.
  'ms-classless-routes': { code: 249, shape: 'routes' },
  wpad: { code: 252, shape: 'string' },
};

const NAME_OF_CODE: ReadonlyMap<number, string> = new Map(Object.entries(namedOptions).map(([name, { code }]) => [code, name]));

/** Codes that carry the exchange itself or follow from the network; an operator cannot set them. */
const RESERVED_CODES: ReadonlySet<number> = new Set([0, 1, 28, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82, 93, 94, 97, 118, 175, 255]);

/** The name of an option code, or the code as text. */
export function optionName(code: number): string {
  return NAME_OF_CODE.get(code) ?? String(code);
}

/** One option as bytes. */
export type EncodedOption = { readonly code: number; readonly bytes: Buffer };

/**
 * Turns one entry of an `options` object into bytes. The key is a name of namedOptions or a code; a code without a name takes
 * hex, or `{"type": <shape>, "value": ...}`. The error is a sentence that names the key and what is allowed.
 */
export function encodeNamedOption(key: string, value: unknown): Result<EncodedOption, string> {
  const code = Object.hasOwn(namedOptions, key) ? namedOptions[key]?.code : /^\d{1,3}$/.test(key) ? Number(key) : undefined;
  if (code === undefined || code > 255) return err(`option ${key}: not a name that docs/dhcp.md lists and not a code from 2 to 254`);
  if (RESERVED_CODES.has(code)) return err(`option ${key}: the server sets this one itself`);
  const typed = readTyped(value);
  const shape = namedOptions[NAME_OF_CODE.get(code) ?? '']?.shape;
  if (typed !== undefined && !isOptionShape(typed.type)) {
    return err(`option ${key}: type ${JSON.stringify(typed.type)} is none of ${Object.keys(SHAPE_EXAMPLES).join(', ')}`);
  }
  const encoded = typed === undefined ? encodeValue(shape ?? 'hex', value) : encodeValue(isOptionShape(typed.type) ? typed.type : 'hex', typed.value);
  return encoded.ok ? ok({ code, bytes: encoded.value }) : err(`option ${key}: ${encoded.error}`);
}

/** Every option of an object, and a sentence for each that is wrong; the right ones are kept. Two names of one code are one too many. */
export function encodeOptions(value: unknown): { readonly options: OptionMap; readonly problems: readonly string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { options: new Map(), problems: ['not an object of option names, such as {"ntp-servers": ["10.0.0.1"]}'] };
  }
  const options = new Map<number, Buffer>();
  const problems: string[] = [];
  for (const [key, one] of Object.entries(value)) {
    const option = encodeNamedOption(key, one);
    if (!option.ok) problems.push(option.error);
    else if (options.has(option.value.code)) problems.push(`option ${key}: option ${option.value.code} is there twice`);
    else options.set(option.value.code, option.value.bytes);
  }
  return { options, problems };
}

function readTyped(value: unknown): { type: unknown; value: unknown } | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return { type: 'type' in value ? value.type : undefined, value: 'value' in value ? value.value : undefined };
}
