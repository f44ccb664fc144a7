/** Blocks of addresses of both families as text, as the configuration and networks write them. PURE. */
import { isIP } from 'node:net';

export type AddressBlock = { network: string; prefix: number; family: 'ipv4' | 'ipv6' };

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address; undefined when it is none. */
export function parseAddressBlock(text: string): AddressBlock | undefined {
  const [network = '', prefixText, ...rest] = text.trim().split('/');
  const version = isIP(network);
  if (version === 0 || rest.length > 0) return undefined;
  const widest = version === 4 ? 32 : 128;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return undefined;
  const prefix = prefixText === undefined ? widest : Number(prefixText);
  return prefix > widest ? undefined : { network, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}
