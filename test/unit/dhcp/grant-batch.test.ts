import { describe, expect, it } from '@jest/globals';
import { takeBatch, type Pending, type PendingGrant } from '../../../src/dhcp/grant-batch.js';

const grant = (address: number, mac: string): PendingGrant => ({
  kind: 'grant',
  ask: { address, networkId: 1, mac, clientKey: null, clientId: null, hostName: null, leaseSeconds: 60, isReserved: false },
  settle: [() => undefined],
});
const write: Pending = { kind: 'write', what: 'release', run: () => Promise.resolve() };

describe('one commit of leases', () => {
  it('takes asks that differ in address and machine together, in their order', () => {
    const queue = [grant(1, 'a'), grant(2, 'b')];
    expect(takeBatch(queue)).toEqual({ batch: queue, rest: [] });
  });

  it('gives a repeat of an ask the outcome of the first', () => {
    const { batch, rest } = takeBatch([grant(1, 'a'), grant(1, 'a')]);
    expect([batch.length, rest.length]).toEqual([1, 0]);
    expect(batch[0]?.settle).toHaveLength(2);
  });

  it('leaves for the next one what collides: an address two machines ask for, a machine that asks for two', () => {
    const [first, thief, other] = [grant(1, 'a'), grant(1, 'b'), grant(2, 'a')];
    expect(takeBatch([first, thief, other])).toEqual({ batch: [first], rest: [thief, other] });
  });

  it('goes past no other write: a lease given back before an ask is given back before it', () => {
    const [first, second] = [grant(1, 'a'), grant(2, 'b')];
    expect(takeBatch([first, write, second])).toEqual({ batch: [first], rest: [write, second] });
  });

  it('holds 256 leases at most', () => {
    const queue = Array.from({ length: 300 }, (_, index) => grant(index, `m${index}`));
    const { batch, rest } = takeBatch(queue);
    expect([batch.length, rest.length]).toEqual([256, 44]);
  });
});
