import { describe, it, expect } from '@jest/globals';
import { parseIpv4 } from '../../../src/shared/ipv4.js';
import { machineIdentity, MAX_MACHINES } from '../../../src/simulator/identity.js';
import { createRandom } from '../../../src/simulator/random.js';

describe('a machine', () => {
  it('is the same whenever it is built', () => {
    expect(machineIdentity(5)).toEqual(machineIdentity(5));
    expect(machineIdentity(1)).toMatchObject({
      serial: 'SIM0001',
      mac: '52:54:77:00:00:01',
      firmware: 'bios',
      relayAddress: '127.77.128.1',
      circuitId: 'rack1/port1',
    });
    expect(machineIdentity(300)).toMatchObject({ serial: 'SIM0300', mac: '52:54:77:00:01:2c', firmware: 'uefi', relayAddress: '127.77.129.44' });
  });

  it('shares no name, MAC, UUID or relay address with another', () => {
    const machines = Array.from({ length: 2_000 }, (_, index) => machineIdentity(index + 1));
    for (const unique of [
      machines.map((machine) => machine.serial),
      machines.map((machine) => machine.uuid),
      machines.flatMap((machine) => machine.nics.map((nic) => nic.mac)),
      machines.map((machine) => machine.relayAddress),
    ]) {
      expect(new Set(unique).size).toBe(unique.length);
    }
  });

  it('has its relay inside the range that is left free of leases, up to the last one', () => {
    expect(machineIdentity(MAX_MACHINES).relayAddress).toBe('127.77.255.254');
    expect(parseIpv4(machineIdentity(MAX_MACHINES).relayAddress)).toBeDefined();
  });
});

describe('seeded randomness', () => {
  it('is the same for the same seed and another for another', () => {
    const stream = (seed: string) => Array.from({ length: 5 }, createRandom(seed));
    expect(stream('1 SIM0001')).toEqual(stream('1 SIM0001'));
    expect(stream('1 SIM0001')).not.toEqual(stream('2 SIM0001'));
  });

  it('spreads evenly over zero to one', () => {
    const random = createRandom('spread');
    const mean = Array.from({ length: 10_000 }, random).reduce((sum, value) => sum + value, 0) / 10_000;
    expect(mean).toBeGreaterThan(0.48);
    expect(mean).toBeLessThan(0.52);
  });
});
