/** PURE: whether a client has waited long enough for this server to speak. netboot-rules 7. */
import { MessageType } from './codes.js';
import type { Situation } from './situation.js';
import type { Trace } from './trace.js';

/**
 * Only messages that begin something are left to another server for a while: a REQUEST that names us, a RELEASE or a DECLINE is
 * ours whatever the client's clock says.
 */
export function isTooEarly({ packet, network, knowledge }: Situation, type: number | undefined, trace?: Trace): boolean {
  const minimum = Math.max(knowledge.minSecs, network.minSecs);
  if (minimum === 0 || (type !== undefined && type !== MessageType.discover)) return false;
  const secs = secondsWaited(packet.secs);
  trace?.push({ rule: 'wait', source: 'RFC 2131 section 4.4.1, netboot-rules 7', value: `the client waited ${secs} s, we speak after ${minimum} s` });
  return secs < minimum;
}

/** `secs`; firmware exists that sends it in its processor's byte order (ISC dhcpd, server/bootp.c, treats it the same way). */
function secondsWaited(secs: number): number {
  return secs > 255 && (secs & 0xff) === 0 ? secs >>> 8 : secs;
}
