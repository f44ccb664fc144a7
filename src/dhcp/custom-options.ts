/**
 * PURE: which of the operator's options a client gets. Of its network, then of its vendor class, then of its node: a later one
 * wins. What would break a boot is kept back: see isKept.
 */
import type { CustomBoot } from './bootfile.js';
import type { Client } from './client.js';
import { OptionCode } from './codes.js';
import { optionName } from './named-options.js';
import type { Network, OptionMap } from './network.js';
import type { Trace } from './trace.js';

/** Where an option was written. `network` is for everybody, the others were meant for this client. */
type Level = 'network' | 'vendor class' | 'node';

const NO_OPTIONS: OptionMap = new Map();
const NO_BOOT: CustomBoot = { bootFile: undefined, serverName: undefined };

export type CustomOptions = { readonly options: OptionMap; readonly boot: CustomBoot };

/** The options of a client, and what its options 66 and 67 say for chooseBootfile. `nodeOptions`: those of its DHCP entry. */
export function customOptions(client: Client, network: Network, nodeOptions: OptionMap, trace?: Trace): CustomOptions {
  if (network.options.size === 0 && network.vendorOptions.length === 0 && nodeOptions.size === 0) return { options: NO_OPTIONS, boot: NO_BOOT };
  const merged = new Map<number, Buffer>();
  const add = (level: Level, options: OptionMap): void => {
    for (const [code, value] of options) {
      if (!isKept(client, level, code)) continue;
      merged.set(code, value);
      trace?.push({ rule: 'option', source: 'docs/dhcp.md, options', value: `${optionName(code)} of the ${level}` });
    }
  };
  add('network', network.options);
  for (const row of network.vendorOptions) if (client.vendorClass?.startsWith(row.vendorClass) === true) add('vendor class', row.options);
  add('node', nodeOptions);
  return { options: merged, boot: { bootFile: textOf(merged, OptionCode.bootFileName), serverName: textOf(merged, OptionCode.tftpServerName) } };
}

/**
 * iPXE keeps its script's URL and no boot options, or the second stage would load the first again. A boot file or a vendor option
 * for the whole network is not meant for firmware we have no loader for (attack case 14), nor option 43 for any firmware
 * (netboot-rules 4); HTTP Boot never gets option 43.
 */
function isKept(client: Client, level: Level, code: number): boolean {
  if (client.stage === 'other') return true;
  switch (code) {
    case OptionCode.vendorClass:
      return false;
    case OptionCode.vendorSpecific:
      return client.stage === 'pxe' && level !== 'network';
    case OptionCode.bootFileName:
    case OptionCode.tftpServerName:
      return client.stage !== 'ipxe' && (level !== 'network' || client.firmware !== 'unknown');
    default:
      return true;
  }
}

function textOf(options: OptionMap, code: number): string | undefined {
  return options.get(code)?.toString();
}
