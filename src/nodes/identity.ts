/**
 * PURE: which machine is this? A machine is known by the MACs of its NICs, its SMBIOS UUID and its serial number, together
 * (engine.md 5.5 item 17): booting from another NIC is still the same machine, and two machines with one UUID are two.
 * A contradiction is never merged silently.
 */

/** What the machine says about itself, with placeholders taken out. */
export type Fingerprint = { uuid: string | null; serial: string | null; macs: string[] };

/** A node that shares a MAC or the UUID with it. */
export type Candidate = { nodeId: number; name: string; uuid: string | null; serial: string | null; sharedMacs: string[] };

export type Identity =
  | { kind: 'new' }
  /** `foreign`: MACs that belong to other nodes and are left there. */
  | { kind: 'known'; nodeId: number; foreign: string[] }
  /** A machine of its own that claims the UUID of another. */
  | { kind: 'new-with-alarm'; message: string }
  /** Cannot be told apart: nothing is written but the alarm. */
  | { kind: 'refused'; nodeId: number; message: string };

/** UUIDs that vendors ship in every board; seen in the field, plus the nil and max values of RFC 9562 section 5.9 and 5.10. */
const PLACEHOLDER_UUIDS = new Set([
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '03000200-0400-0500-0006-000700080009',
  '00020003-0004-0005-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  'fefefefe-fefe-fefe-fefe-fefefefefefe',
  '4c4c4544-0000-2010-8020-80c04f202020',
  'efbeadde-efbe-adde-efbe-addeefbeadde',
]);

/** Serial numbers that nobody filled in. */
const PLACEHOLDER_SERIALS =
  /^(|0+|none|n\/?a|null|unknown|default( string)?|to be filled by o\.?e\.?m\.?|system serial number|serial number|not (specified|available|applicable)|123456789|0123456789|1234567890|empty|invalid|xx+|\.+)$/i;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The UUID in lower case, or null when it is none or one that many machines carry. */
export function realUuid(text: string): string | null {
  const uuid = text.trim().toLowerCase();
  if (!UUID.test(uuid) || PLACEHOLDER_UUIDS.has(uuid)) return null;
  // One digit repeated is a filler, whichever it is.
  return new Set(uuid.replaceAll('-', '')).size === 1 ? null : uuid;
}

/** The serial number, or null when it is a filler. */
export function realSerial(text: string): string | null {
  const serial = text.trim();
  return PLACEHOLDER_SERIALS.test(serial) ? null : serial;
}

/** Whether the MAC names one interface: not zero, not a group address (IEEE 802, the low bit of the first byte). */
export function isUnicastMac(mac: string): boolean {
  return mac !== '00:00:00:00:00:00' && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
}

/** Decides. MACs lead, because boots are answered by MAC; UUID and serial confirm or contradict. */
export function identifyMachine(machine: Fingerprint, candidates: Candidate[]): Identity {
  const byMac = candidates.filter((candidate) => candidate.sharedMacs.length > 0);
  if (byMac.length === 0) return withoutCommonMac(machine, candidates);
  const agreeing = byMac.filter((candidate) => !contradicts(machine, candidate));
  const proven = agreeing.filter((candidate) => machine.uuid !== null && candidate.uuid === machine.uuid);
  const chosen = proven.length > 0 ? proven : agreeing;
  const only = chosen[0];
  if (only !== undefined && chosen.length === 1) {
    return { kind: 'known', nodeId: only.nodeId, foreign: byMac.filter((other) => other !== only).flatMap((other) => other.sharedMacs) };
  }
  const names = byMac.map((candidate) => candidate.name).join(', ');
  return {
    kind: 'refused',
    nodeId: byMac[0]?.nodeId ?? 0,
    message:
      chosen.length > 1
        ? `a machine has NICs of several nodes (${names}): delete the nodes that are not it`
        : `a machine with UUID ${machine.uuid ?? 'unknown'} and serial ${machine.serial ?? 'unknown'} has NICs of ${names}, which is another machine: delete the node, or put the NIC back`,
  };
}

function withoutCommonMac(machine: Fingerprint, candidates: Candidate[]): Identity {
  const twin = candidates.find((candidate) => machine.uuid !== null && candidate.uuid === machine.uuid);
  if (twin === undefined) return { kind: 'new' };
  return { kind: 'new-with-alarm', message: `a machine with none of the NICs of ${twin.name} claims its UUID ${machine.uuid}: it was made a node of its own` };
}

/** Two real UUIDs that differ, or, where a UUID is missing, two real serial numbers that differ. */
function contradicts(machine: Fingerprint, candidate: Candidate): boolean {
  if (machine.uuid !== null && candidate.uuid !== null) return machine.uuid !== candidate.uuid;
  return machine.serial !== null && candidate.serial !== null && machine.serial !== candidate.serial;
}
