/**
 * Whose a lease is. By default the hardware address's: firmware, loader, installer and OS of one machine send four client
 * identifiers in one boot and must end with one address (netboot-rules 5). A network may say `client-id` instead
 * (RFC 2131 section 4.2, RFC 4361), and an address may belong to a relay's port (RFC 3046), whoever is on it.
 */
import type { Network, ReservedAddress } from './network.js';
import type { Client } from './client.js';

/** A client as leases know it. */
export type Identity = {
  /** chaddr as text; may be empty on links without one (RFC 4390), never together with a null clientKey. */
  readonly mac: string;
  /** Option 61 in hex, or `port:` and the relay's port; null when the lease is the MAC's. */
  readonly clientKey: string | null;
};

/** No client's key: those are hex or begin with `port:`. */
const IN_USE = 'in-use';

/**
 * Whose the quarantine is of an address that a probe found in use: of the machine that answered for it, by its MAC when that is
 * known (else empty), and as no client of ours. Who merely asked for an address is not to blame for what was found.
 */
export function foundInUse(usedBy: string): Identity {
  return { mac: usedBy, clientKey: IN_USE };
}

export function isFoundInUse(identity: Identity): boolean {
  return identity.clientKey === IN_USE;
}

/** RFC 2132 section 9.14: a type and at least one byte. */
const MINIMUM_ID_BYTES = 2;

/** What leases and promises are keyed by within a network. Hex has no colons and a MAC has: they cannot meet. */
export function ownerOf(identity: Identity): string {
  return identity.clientKey ?? identity.mac;
}

/**
 * Undefined when nothing identifies the client. A reserved MAC is itself whatever option 61 says; an identifier that only
 * repeats htype and chaddr (iPXE, udhcpc) is the MAC too, so that these clients and a PXE ROM without option 61 are one.
 */
export function identify(network: Network, client: Client, reserved: ReservedAddress | undefined): Identity | undefined {
  const { mac, clientId } = client;
  if (reserved?.portKey !== undefined) return { mac, clientKey: `port:${reserved.portKey}` };
  const canUseId = clientId !== undefined && clientId.length >= MINIMUM_ID_BYTES;
  const mustUseId = mac === '';
  if (reserved === undefined && canUseId && (mustUseId || (network.identifyBy === 'client-id' && !repeatsMac(clientId, mac)))) {
    return { mac, clientKey: clientId.toString('hex') };
  }
  return mustUseId ? undefined : { mac, clientKey: null };
}

/** Type 1 (Ethernet) or another hardware type, followed by chaddr. */
function repeatsMac(clientId: Buffer, mac: string): boolean {
  return clientId[0] !== 0 && clientId[0] !== 0xff && clientId.toString('hex', 1) === mac.replaceAll(':', '');
}
