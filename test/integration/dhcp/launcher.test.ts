import { describe, it, expect } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { inProject } from '../../../scripts/lib/project.mjs';
import { findUdpOwners } from '../../../src/dhcp/port-owner.js';
import { waitFor } from '../../support/wait-for.js';

const run = promisify(execFile);
const LAUNCHER = inProject('scripts/dhcp-sockets.pl');

/** What systemd does: a socket as descriptor 3, told by LISTEN_FDS to the process it starts. sd_listen_fds(3). */
const AS_SYSTEMD = `use Socket; use Fcntl; $^F = 1023;
  socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!; bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
  require POSIX; POSIX::dup2(fileno($s), 3); $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_FDNAMES} = $ARGV[0]; $ENV{LISTEN_PID} = $$; shift; exec @ARGV;`;

describe('the launcher', () => {
  it('netboot rule 1: takes the sockets that systemd passes, by the names of their interfaces, and hands them over', async () => {
    const command = [
      'perl',
      LAUNCHER,
      'lo',
      '--',
      'perl',
      '-e',
      'print "$ENV{PRYBAR_DHCP_FDS} ", defined $ENV{LISTEN_FDS} ? 1 : 0, " ", -S "/dev/fd/3" ? 1 : 0',
    ];
    const { stdout } = await run('perl', ['-e', AS_SYSTEMD, 'lo', ...command]);
    expect(stdout).toBe('lo=3 0 1');
  });

  it('says what is wrong with an interface', async () => {
    await expect(run('perl', [LAUNCHER, '../eth0', '--', 'true'])).rejects.toThrow("'../eth0' is not an interface name");
    await expect(run('perl', [LAUNCHER, 'eth0'])).rejects.toThrow('usage: dhcp-sockets.pl');
  });
});

describe('netboot rule 2: who has a port', () => {
  it.each([
    ['udp4', '127.0.0.1'],
    ['udp6', '::'],
  ] as const)('names the process that holds it on %s', async (type, address) => {
    const free = createSocket('udp4').bind(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address();
    free.close();
    await once(free, 'close');
    const holder = spawn(process.execPath, ['-e', `require('node:dgram').createSocket('${type}').bind(${port}, '${address}')`], { stdio: 'ignore' });
    try {
      const owners = await waitFor(
        async () => {
          const found = await findUdpOwners(port);
          return found.length > 0 && found;
        },
        { what: 'the owner' },
      );
      expect(owners).toEqual([{ pid: holder.pid, name: 'node' }]);
    } finally {
      const ended = once(holder, 'exit');
      holder.kill();
      await ended;
    }
  });
});
