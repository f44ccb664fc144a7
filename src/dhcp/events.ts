import { formatIpv4 } from '../shared/ipv4.js';
import { architectureName, type Client } from './client.js';
import type { DhcpPacket } from './packet.js';

/** What happened, in the words of the node's boot timeline. */
export type DhcpEventKind =
  | 'dhcp-discover'
  | 'dhcp-offer'
  | 'dhcp-request'
  | 'dhcp-ack'
  | 'dhcp-nak'
  | 'dhcp-decline'
  | 'dhcp-release'
  | 'dhcp-inform'
  | 'dhcp-bootp'
  | 'dhcp-ignored';

/** One step of a machine's boot. Text comes from the machine: printable ASCII, to be escaped where it is shown. */
export type DhcpEvent = {
  readonly at: Date;
  readonly mac: string;
  readonly kind: DhcpEventKind;
  readonly client: { readonly arch: number | null; readonly ipxe: boolean; readonly vendorClass: string | null };
  /** The address asked for, offered or given; null where there is none. */
  readonly address: string | null;
  /** giaddr, null for a client on our own link. */
  readonly relay: string | null;
  /** The boot file, or the reason of a refusal or of silence. */
  readonly detail: string | null;
};

/** Builds an event; an address of 0 counts as none. */
export function dhcpEvent(
  kind: DhcpEventKind,
  at: Date,
  packet: DhcpPacket,
  client: Client,
  about: { address?: number | undefined; detail?: string | undefined },
): DhcpEvent {
  return {
    at,
    mac: client.mac,
    kind,
    client: {
      arch: client.architecture ?? null,
      ipxe: client.stage === 'ipxe',
      vendorClass: client.vendorClass ?? null,
    },
    address: about.address === undefined || about.address === 0 ? null : formatIpv4(about.address),
    relay: packet.relayIpAddress === 0 ? null : formatIpv4(packet.relayIpAddress),
    detail: about.detail ?? null,
  };
}

/** The detail of a DISCOVER or REQUEST: who asks, in a few words. */
export function describeStage(client: Client): string {
  return client.stage === 'other' ? 'operating system' : `${client.stage}, ${architectureName(client.architecture)}`;
}
