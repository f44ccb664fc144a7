/**
 * Ethernet frames of the packet descriptor: ARP (RFC 826, RFC 5227), UDP over IPv4 (RFC 791, RFC 768), router advertisements
 * (RFC 4861). PURE: bytes in, bytes out. What does not parse is undefined.
 */
import { CLIENT_PORT, SERVER_PORT } from './destination.js';

const ETHERNET_BYTES = 14;
const ARP_BYTES = 28;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
const EtherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
const PROTOCOL_UDP = 17;
const PROTOCOL_ICMPV6 = 58;
const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const BROADCAST_MAC = Buffer.from('ffffffffffff', 'hex');
/** ff02::1 and its multicast MAC. RFC 2464 section 7. */
const ALL_NODES = Buffer.from('ff020000000000000000000000000001', 'hex');
const ALL_NODES_MAC = Buffer.from('333300000001', 'hex');

/** What a frame says, as far as a DHCP server cares. MACs are six bytes, addresses uint32. */
export type Frame =
  | { readonly kind: 'arp'; readonly senderMac: Buffer; readonly senderAddress: number; readonly targetAddress: number }
  | { readonly kind: 'dhcp'; readonly sourceMac: Buffer; readonly sourceAddress: number; readonly message: Buffer }
  | { readonly kind: 'router-solicitation' };

/** Reads one frame. The values are views into `bytes`. */
export function parseFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < ETHERNET_BYTES) return undefined;
  const inner = bytes.subarray(ETHERNET_BYTES);
  switch (bytes.readUInt16BE(12)) {
    case EtherType.arp:
      return parseArp(inner);
    case EtherType.ipv4:
      return parseDhcp(bytes.subarray(6, 12), inner);
    case EtherType.ipv6:
      return inner.length > IPV6_BYTES && inner[6] === PROTOCOL_ICMPV6 && inner[IPV6_BYTES] === ROUTER_SOLICITATION
        ? { kind: 'router-solicitation' }
        : undefined;
    default:
      return undefined;
  }
}

function parseArp(arp: Buffer): Frame | undefined {
  if (arp.length < ARP_BYTES || arp.readUInt32BE(0) !== 0x00010800 || arp.readUInt16BE(4) !== 0x0604) return undefined;
  return { kind: 'arp', senderMac: arp.subarray(8, 14), senderAddress: arp.readUInt32BE(14), targetAddress: arp.readUInt32BE(24) };
}

/** UDP to the client port; fragments are not read: no server's reply is one. */
function parseDhcp(sourceMac: Buffer, ip: Buffer): Frame | undefined {
  if (ip.length < IPV4_BYTES || ip.readUInt8(0) >> 4 !== 4 || ip[9] !== PROTOCOL_UDP || (ip.readUInt16BE(6) & 0x3fff) !== 0) return undefined;
  const headerBytes = (ip.readUInt8(0) & 15) * 4;
  if (headerBytes < IPV4_BYTES || ip.length < headerBytes + UDP_BYTES || ip.readUInt16BE(headerBytes + 2) !== CLIENT_PORT) return undefined;
  const end = headerBytes + ip.readUInt16BE(headerBytes + 4);
  return { kind: 'dhcp', sourceMac, sourceAddress: ip.readUInt32BE(12), message: ip.subarray(headerBytes + UDP_BYTES, Math.min(end, ip.length)) };
}

/** An ARP probe: who has `address`? The sender's address is zero, so that no cache is changed by it. RFC 5227 section 2.1.1. */
export function arpProbe(ownMac: Buffer, address: number): Buffer {
  const frame = Buffer.alloc(ETHERNET_BYTES + ARP_BYTES);
  writeEthernet(frame, BROADCAST_MAC, ownMac, EtherType.arp);
  frame.writeUInt32BE(0x00010800, 14);
  frame.writeUInt32BE(0x06040001, 18);
  ownMac.copy(frame, 22);
  frame.writeUInt32BE(address, 38);
  return frame;
}

/** One end of a datagram. */
export type FrameEnd = { readonly mac: Buffer; readonly address: number };

/** A DHCP reply to a client that has no address yet: its MAC and its future address, no ARP. RFC 2131 section 4.1. */
export const replyFrame = (from: FrameEnd, to: FrameEnd, message: Buffer): Buffer => udpFrame(from, SERVER_PORT, to, CLIENT_PORT, message);

/** A DHCP request as a client without an address sends it: from 0.0.0.0 to everybody. */
export const requestFrame = (mac: Buffer, message: Buffer): Buffer =>
  udpFrame({ mac, address: 0 }, CLIENT_PORT, { mac: BROADCAST_MAC, address: 0xffffffff }, SERVER_PORT, message);

function udpFrame(from: FrameEnd, fromPort: number, to: FrameEnd, toPort: number, message: Buffer): Buffer {
  const frame = Buffer.alloc(ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES + message.length);
  writeEthernet(frame, to.mac, from.mac, EtherType.ipv4);
  const ip = frame.subarray(ETHERNET_BYTES);
  ip[0] = 0x45;
  ip.writeUInt16BE(ip.length, 2);
  ip.writeUInt16BE(0x4000, 6); // never fragmented
  ip[8] = 64;
  ip[9] = PROTOCOL_UDP;
  ip.writeUInt32BE(from.address, 12);
  ip.writeUInt32BE(to.address, 16);
  ip.writeUInt16BE(checksum(ip.subarray(0, IPV4_BYTES)), 10);
  const udp = ip.subarray(IPV4_BYTES);
  udp.writeUInt16BE(fromPort, 0);
  udp.writeUInt16BE(toPort, 2);
  udp.writeUInt16BE(udp.length, 4);
  message.copy(udp, UDP_BYTES);
  const pseudo = sum(ip.subarray(12, 20)) + PROTOCOL_UDP + udp.length;
  udp.writeUInt16BE(checksum(udp, pseudo) || 0xffff, 6); // 0 would mean "none"
  return frame;
}

/**
 * "There is a router here, and it is of no use": lifetime 0, no prefix, neither M nor O, so that a client that waits for IPv6
 * stops waiting and configures nothing. RFC 4861 section 4.2; netboot-rules 9.
 */
export function routerAdvertisement(ownMac: Buffer): Buffer {
  const frame = Buffer.alloc(ETHERNET_BYTES + IPV6_BYTES + 16 + 8);
  writeEthernet(frame, ALL_NODES_MAC, ownMac, EtherType.ipv6);
  const ip = frame.subarray(ETHERNET_BYTES);
  ip[0] = 0x60;
  ip.writeUInt16BE(24, 4);
  ip[6] = PROTOCOL_ICMPV6;
  ip[7] = 255; // receivers drop it otherwise: it must not have been routed
  linkLocalAddress(ownMac).copy(ip, 8);
  ALL_NODES.copy(ip, 24);
  const icmp = ip.subarray(IPV6_BYTES);
  icmp[0] = ROUTER_ADVERTISEMENT;
  icmp[4] = 64; // hop limit
  icmp.set([1, 1], 16); // source link-layer address
  ownMac.copy(icmp, 18);
  icmp.writeUInt16BE(checksum(icmp, sum(ip.subarray(8, 40)) + icmp.length + PROTOCOL_ICMPV6), 2);
  return frame;
}

/** fe80:: with the interface identifier made of the MAC. RFC 4291 appendix A. */
function linkLocalAddress(mac: Buffer): Buffer {
  const address = Buffer.from('fe80000000000000000000fffe000000', 'hex');
  mac.copy(address, 8, 0, 3);
  mac.copy(address, 13, 3, 6);
  address[8] = (address[8] ?? 0) ^ 2;
  return address;
}

function writeEthernet(frame: Buffer, to: Buffer, from: Buffer, type: number): void {
  to.copy(frame, 0, 0, 6);
  from.copy(frame, 6, 0, 6);
  frame.writeUInt16BE(type, 12);
}

function sum(bytes: Buffer): number {
  let total = 0;
  for (let index = 0; index < bytes.length; index += 2) total += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  return total;
}

/** The Internet checksum, RFC 1071; `start` is the sum of a pseudo header. */
function checksum(bytes: Buffer, start = 0): number {
  let total = start + sum(bytes);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}
