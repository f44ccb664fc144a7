/**
 * What a relay agent adds and what it wants back: option 82 (RFC 3046) and its sub-options for link selection (RFC 3527),
 * server identifier override (RFC 5107) and the relay's source port (RFC 8357).
 */
import { uint32At } from '../shared/bytes.js';
import { OptionCode, RelaySubOption } from './codes.js';
import { malformed, readAddress, readSubOptions } from './options.js';
import type { DhcpPacket } from './packet.js';

/** The relay's part of a message. `information` is option 82 as it came and is echoed byte for byte (RFC 3046 section 2.2). */
export type Relay = {
  readonly information: Buffer | undefined;
  /**
   * Sub-options 1 and 2: the port and the relay the client is behind, raw. RFC 3046 sections 3.1 and 3.2. Only from a relay: on our
   * own link a client could write another's port there (attack case 10).
   */
  readonly circuitId: Buffer | undefined;
  readonly remoteId: Buffer | undefined;
  /** The subnet to allocate from when it is not giaddr's: sub-option 5, else option 118 (RFC 3011). Only beside a giaddr: see link.ts. */
  readonly linkSelection: number | undefined;
  /** The address the client must see as the server's, so that renewals pass the relay. Only from a relay. */
  readonly serverIdentifierOverride: number | undefined;
  /** The reply goes to the UDP port the question came from, not to 67. The value of the sub-option is empty. */
  readonly wantsSourcePort: boolean;
};

const NO_RELAY: Relay = {
  information: undefined,
  circuitId: undefined,
  remoteId: undefined,
  linkSelection: undefined,
  serverIdentifierOverride: undefined,
  wantsSourcePort: false,
};

/** Reads option 82 and option 118. A malformed option 82 is echoed but asks for nothing. */
export function readRelay(packet: DhcpPacket): Relay {
  const selection = readAddress(packet.options, OptionCode.subnetSelection);
  const subnetSelection = selection === malformed ? undefined : selection;
  const information = packet.options.get(OptionCode.relayAgentInformation);
  if (information === undefined) {
    return subnetSelection === undefined ? NO_RELAY : { ...NO_RELAY, linkSelection: subnetSelection };
  }
  const read = readSubOptions(information);
  const isRelayed = packet.relayIpAddress !== 0;
  const subOptions = read === malformed ? new Map<number, Buffer>() : read;
  return {
    information,
    circuitId: isRelayed ? subOptions.get(RelaySubOption.circuitId) : undefined,
    remoteId: isRelayed ? subOptions.get(RelaySubOption.remoteId) : undefined,
    linkSelection: addressIn(subOptions.get(RelaySubOption.linkSelection)) ?? subnetSelection,
    serverIdentifierOverride: isRelayed ? addressIn(subOptions.get(RelaySubOption.serverIdentifierOverride)) : undefined,
    wantsSourcePort: subOptions.has(RelaySubOption.relaySourcePort),
  };
}

function addressIn(value: Buffer | undefined): number | undefined {
  return value?.length === 4 ? uint32At(value, 0) : undefined;
}
