import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { macText } from '../../../src/dhcp/mac-texts.js';
import { formatMac } from '../../../src/shared/mac.js';

it('says every hardware address as formatMac does, whichever addresses it said before', () => {
  // Few different bytes: addresses come again, and some share a place with others.
  const bytes = fc.oneof(fc.constantFrom(0, 1, 2, 255), fc.nat(255));
  const addresses = fc.array(fc.tuple(fc.array(bytes, { minLength: 0, maxLength: 16 }), fc.nat(16)), { minLength: 50, maxLength: 200 });
  fc.assert(
    fc.property(addresses, (asked) => {
      for (const [address, length] of asked) {
        expect(macText(Buffer.from(address), length)).toBe(formatMac(Buffer.from(address), length));
        expect(macText(Buffer.from(address.slice(0, 6)), 6)).toBe(formatMac(Buffer.from(address.slice(0, 6)), 6));
      }
    }),
  );
});
