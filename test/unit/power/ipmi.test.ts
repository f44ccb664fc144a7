import { describe, expect, it } from '@jest/globals';
import { ipmiDriver, type RunProgram } from '../../../src/power/ipmi.js';
import { Secret, type BmcAddress } from '../../../src/power/power.js';

const signal = new AbortController().signal;
let port = 6000;
/** A BMC of its own for each test, because what it accepted is remembered. */
const bmc = (more: Partial<BmcAddress> = {}): BmcAddress => ({
  driver: 'ipmi',
  address: '10.0.0.9',
  port: (port += 1),
  username: 'admin',
  password: new Secret('calvin'),
  ...more,
});

type Call = { args: string[]; env: Record<string, string> };
function program(answer: (args: string[]) => string): { run: RunProgram; calls: Call[] } {
  const calls: Call[] = [];
  return {
    calls,
    run: (_file, args, { env }) => {
      calls.push({ args, env });
      try {
        return Promise.resolve(answer(args));
      } catch (error) {
        return Promise.reject(error);
      }
    },
  };
}
const fails = (stderr: string, code: string | number = 1) => {
  throw Object.assign(new Error('Command failed: ipmitool'), { stderr, code });
};
const suiteOf = (call: Call | undefined) => call?.args[call.args.indexOf('-C') + 1];

describe('ipmiDriver', () => {
  it('keeps the password out of the arguments and our environment out of the program', async () => {
    const { run, calls } = program(() => 'Chassis Power is on\n');
    await expect(ipmiDriver(bmc(), { isUefi: false }, run).status(signal)).resolves.toBe('on');
    expect(calls[0]?.args.join(' ')).not.toContain('calvin');
    expect(calls[0]?.env).toEqual({ PATH: expect.any(String), IPMI_PASSWORD: 'calvin' });
    expect(calls[0]?.args).toEqual(expect.arrayContaining(['-E', '-R', '1', '-N', '1', '-I', 'lanplus']));
  });

  it('falls back to cipher suite 3 and remembers it', async () => {
    const { run, calls } = program((args) =>
      args.includes('17') ? fails('Error in open session response message : no matching cipher suite') : 'Chassis Power is off',
    );
    const driver = ipmiDriver(bmc(), { isUefi: false }, run);
    await driver.status(signal);
    await driver.status(signal);
    expect(calls.map(suiteOf)).toEqual(['17', '3', '3']);
  });

  it('says that the password is refused, and that this does not pass by itself', async () => {
    const { run } = program(() => fails('RAKP 2 HMAC is invalid'));
    await expect(ipmiDriver(bmc(), { isUefi: false }, run).on(signal)).rejects.toMatchObject({ code: 'bmc-credentials', retryable: false });
  });

  it('says that the BMC is not reached, and how to get the program', async () => {
    await expect(
      ipmiDriver(bmc(), { isUefi: false }, program(() => fails('Error: Unable to establish IPMI v2 / RMCP+ session')).run).on(signal),
    ).rejects.toMatchObject({ code: 'upstream-failed', retryable: true });
    await expect(ipmiDriver(bmc(), { isUefi: false }, program(() => fails('', 'ENOENT')).run).on(signal)).rejects.toThrow('apt install ipmitool');
  });

  it.each([{ address: '-H' }, { username: '-f/etc/shadow' }])('refuses %j, which would be an option', (more) => {
    expect(() => ipmiDriver(bmc(more), { isUefi: false })).toThrow('begins with a dash');
  });

  it('sets the next boot of a UEFI machine as one', async () => {
    const { run, calls } = program(() => '');
    await ipmiDriver(bmc(), { isUefi: true }, run).setNextBoot('pxe', signal);
    expect(calls[0]?.args.slice(-4)).toEqual(['chassis', 'bootdev', 'pxe', 'options=efiboot']);
  });
});
