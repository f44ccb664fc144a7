/** The DNS parser and responder with zones of a small site, answers prepared and kept as the server keeps them. */
import { strict as assert } from 'node:assert';
import type { Random } from '../../test/support/random.js';
import { zonesOf } from '../../test/unit/dns/support.js';
import { Responder } from '../../src/dns/responder.js';
import { dnsPackets } from './dns-packets.js';
import type { Target } from './target.js';

/** Without EDNS no answer is larger (RFC 1035 section 2.3.4); with it never more than fits one frame unfragmented. */
const UDP_BYTES = 1232;
const RESPONSE = 0x80;

export function dnsTarget(random: Random): Target {
  const responder = new Responder();
  responder.serve(zonesOf());
  return {
    next: dnsPackets(random),
    take(request) {
      const transport = random.chance(0.2) ? 'tcp' : 'udp';
      const mayForward = random.chance(0.2);
      const response = responder.respond(request, { transport, recursionAvailable: mayForward, mayForward });
      if (response.kind === 'forward') assert.ok(mayForward, 'only who may is forwarded');
      if (response.kind !== 'reply') return false;
      const { bytes } = response;
      assert.ok(bytes.length >= 12 && (transport === 'tcp' || bytes.length <= UDP_BYTES), `an answer of ${bytes.length} bytes over ${transport}`);
      assert.ok(bytes.readUInt16BE(0) === request.readUInt16BE(0), 'the id comes back');
      assert.ok(((bytes[2] ?? 0) & RESPONSE) !== 0, 'it is a response');
      assert.ok(((request[2] ?? 0) & RESPONSE) === 0, 'a response is never answered: two servers would talk for ever');
      return true;
    },
  };
}
