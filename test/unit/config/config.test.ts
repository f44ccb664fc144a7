import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../../src/config/config.js';
import { ConfigError } from '../../../src/shared/errors.js';

const refusal = (env: NodeJS.ProcessEnv): ConfigError => {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
  }
  throw new Error('it was accepted');
};

describe('the configuration', () => {
  it('needs no variable at all', () => {
    const config = loadConfig({});
    expect([config.databaseUrl, config.redisUrl, config.port, config.bootHost, config.dhcpPort]).toEqual([undefined, undefined, 8190, '127.0.0.1', 6767]);
  });

  it('counts an empty variable as unset', () => expect(loadConfig({ PRYBAR_PORT: '', DATABASE_URL: '' }).port).toBe(8190));

  it.each([
    ['PRYBAR_PORT', 'eighty'],
    ['PRYBAR_PORT', '70000'],
    ['PRYBAR_LOG_LEVEL', 'loud'],
    ['PRYBAR_FAST_SLOTS', '0'],
    ['PRYBAR_QUEUE_PREFIX', 'a:b'],
  ])('refuses %s=%s, naming the variable and the value', (name, value) => {
    expect(refusal({ [name]: value }).message).toContain(`${name}:`);
    expect(refusal({ [name]: value }).message).toContain(value);
    expect(refusal({ [name]: value }).fix).toContain(name);
  });

  it('never repeats a URL, which may hold a password', () => {
    expect(refusal({ DATABASE_URL: 'mysql://root:secret@db/x' }).message).not.toContain('secret');
  });

  it('serves the well-known ports on a segment, unless told otherwise', () => {
    expect([loadConfig({ PRYBAR_INTERFACE: 'lo' }).dhcpPort, loadConfig({ PRYBAR_INTERFACE: 'lo' }).tftpPort]).toEqual([67, 69]);
    expect(loadConfig({ PRYBAR_INTERFACE: 'lo' })).toMatchObject({ dnsAddresses: ['127.0.0.1'], dnsPort: 53 });
    expect(loadConfig({ PRYBAR_DNS: '10.0.0.1, 10.0.1.1', PRYBAR_DNS_FORWARD: '9.9.9.9,10.0.0.2:5353' })).toMatchObject({
      dnsAddresses: ['10.0.0.1', '10.0.1.1'],
      dnsPort: 6053,
      dnsForward: [
        { address: '9.9.9.9', port: 53 },
        { address: '10.0.0.2', port: 5353 },
      ],
    });
    expect(loadConfig({ PRYBAR_DNS: 'off' }).dnsAddresses).toEqual([]);
    expect(() => loadConfig({ PRYBAR_DNS: 'ns.example' })).toThrow('PRYBAR_DNS');
    expect(loadConfig({ PRYBAR_INTERFACE: 'lo', PRYBAR_DHCP_PORT: '1067' }).dhcpPort).toBe(1067);
    expect(loadConfig({ PRYBAR_INTERFACE: 'lo' }).bootHost).toBe('127.0.0.1');
  });
});
