import { execFile } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RecordType } from '../../../src/dns/codes.js';
import { queryBytes } from '../../unit/dns/support.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';
import { askTcp, askUdp, openLab, type Lab } from './lab.js';

const run = promisify(execFile);

/** Programs of Debian that the tests speak through where they are installed; the run says what it leaves out. */
const programs = ['/usr/bin/dig', '/usr/bin/kdig'].filter((path) => {
  if (existsSync(path)) return true;
  process.stderr.write(`left out: answers through ${path} (not installed)\n`);
  return false;
});

let database: TestDatabase;
let lab: Lab;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  lab = await openLab(database);
});
afterEach(() => lab.close());

const rcode = (bytes: Buffer) => (bytes[3] ?? 0) & 15;

describe('the DNS server', () => {
  it.each(programs)('answers %s: address, reverse, alias, absence, spelling, EDNS, TCP', async (program) => {
    await lab.db.pool.query(`INSERT INTO dns_records (name, type, value) VALUES ('www.rack.example', 'CNAME', 'ctrl1.rack.example')`);
    const { port } = await lab.start();
    const ask = async (...words: string[]) => (await run(program, ['@127.0.0.1', '-p', String(port), ...words])).stdout;
    expect(await ask('ctrl1.rack.example', 'A', '+short')).toBe('10.0.0.5\n');
    expect(await ask('-x', '10.0.0.5', '+short')).toBe('ctrl1.rack.example.\n');
    expect(await ask('www.rack.example', 'A', '+short')).toBe('ctrl1.rack.example.\n10.0.0.5\n');
    expect(await ask('ctrl1.rack.example', 'A', '+tcp', '+short')).toBe('10.0.0.5\n');
    const absent = await ask('nobody.rack.example', 'A');
    expect(absent).toMatch(/NXDOMAIN/);
    expect(absent).toMatch(/rack\.example\.\s+60\s+IN\s+SOA\s+ns\.rack\.example\. hostmaster\.rack\.example\. \d+ 3600 600 1209600 60/);
    expect(await ask('CTRL1.Rack.Example', 'AAAA')).toMatch(/NOERROR[\s\S]*CTRL1\.Rack\.Example\./i);
    expect(await ask('example.com', 'A')).toMatch(/REFUSED/);
    // kdig ends with status 1, dig with 0.
    expect(await ask('rack.example', 'AXFR').catch(String)).toMatch(/Transfer failed|REFUSED/);
  });

  it('serves a change as soon as it is committed, one record at a time, and reports its revision', async () => {
    const { server, port } = await lab.start();
    const query = queryBytes('bmc7.rack.example', RecordType.A);
    expect(rcode(await askUdp(port, query))).toBe(3);
    const before = server.servedRevision();
    await lab.db.pool.query(`INSERT INTO reservations (network_id, address, mac, hostname) VALUES (1, '10.0.0.7', '52:54:00:00:00:07', 'bmc7')`);
    await lab.settled(server);
    expect((await askUdp(port, query)).subarray(-4)).toEqual(Buffer.from([10, 0, 0, 7]));
    expect(server.servedRevision()).toBe(before + 1);
    await lab.db.pool.query(`UPDATE nodes SET name = 'web1.rack.example' WHERE id = 900`);
    await lab.settled(server);
    expect(rcode(await askUdp(port, queryBytes('ctrl1.rack.example', RecordType.A)))).toBe(3);
    expect(rcode(await askUdp(port, queryBytes('web1.rack.example', RecordType.A)))).toBe(0);
    await lab.db.pool.query(`DELETE FROM reservations WHERE hostname = 'bmc7'`);
    await lab.settled(server);
    expect(rcode(await askUdp(port, query))).toBe(3);
    const { rows } = await lab.db.pool.query<{ status: string; served_revision: number }>(
      `SELECT status, served_revision FROM boot_servers WHERE kind = 'dns'`,
    );
    expect(rows).toEqual([{ status: 'serving', served_revision: server.servedRevision() }]);
  });

  it('an alias gives way to a machine that takes its name, and is there again when the machine is gone', async () => {
    await lab.db.pool.query(`INSERT INTO dns_records (name, type, value) VALUES ('bmc9.rack.example', 'CNAME', 'ctrl1.rack.example')`);
    const { server, port } = await lab.start();
    const last = async () => (await askUdp(port, queryBytes('bmc9.rack.example', RecordType.A))).subarray(-4);
    expect(await last()).toEqual(Buffer.from([10, 0, 0, 5]));
    await lab.db.pool.query(`INSERT INTO reservations (network_id, address, mac, hostname) VALUES (1, '10.0.0.9', '52:54:00:00:00:09', 'bmc9')`);
    await lab.settled(server);
    expect(await last()).toEqual(Buffer.from([10, 0, 0, 9]));
    await lab.db.pool.query(`DELETE FROM reservations WHERE hostname = 'bmc9'`);
    await lab.settled(server);
    expect(await last()).toEqual(Buffer.from([10, 0, 0, 5]));
  });

  it('one transaction of many changes is one revision', async () => {
    const { server } = await lab.start();
    const before = server.servedRevision();
    await lab.db.pool.query(
      `INSERT INTO reservations (network_id, address, mac, hostname) SELECT 1, '10.0.0.' || n, 'aa:00:00:00:00:' || n, 'h' || n FROM generate_series(20, 60) n`,
    );
    await lab.settled(server);
    expect(server.servedRevision()).toBe(before + 1);
  });

  it('netboot rule 8: an unmanaged address is recorded and never served', async () => {
    const { server, port } = await lab.start();
    await lab.db.pool.query(`INSERT INTO reservations (network_id, address, hostname, unmanaged) VALUES (1, '10.0.0.9', 'printer', true)`);
    await lab.settled(server);
    expect(rcode(await askUdp(port, queryBytes('printer.rack.example', RecordType.A)))).toBe(3);
  });

  it('names follow a role when a zone asks for it', async () => {
    const { server, port } = await lab.start();
    await lab.db.pool.query(`INSERT INTO dns_zones (name, filter, template) VALUES ('ceph.example', '{"roles": ["dns-test-role"]}', '{{node}}')`);
    await lab.settled(server);
    const query = queryBytes('ctrl1.ceph.example', RecordType.A);
    expect(rcode(await askUdp(port, query))).toBe(3);
    await lab.db.pool.query(`INSERT INTO roles (id, name, jig, barclamp) SELECT 9000, 'dns-test-role', 'noop', 'test'`);
    await bindRole(lab);
    await waitFor(async () => rcode(await askUdp(port, query)) === 0, { what: 'the name in the zone of the role' });
  });

  it('goes on answering while the database is away', async () => {
    const { server, port } = await lab.start();
    await lab.db.pool.query('ALTER TABLE dns_table RENAME TO dns_table_away');
    try {
      server.kick();
      expect(rcode(await askUdp(port, queryBytes('ctrl1.rack.example', RecordType.A)))).toBe(0);
    } finally {
      await lab.db.pool.query('ALTER TABLE dns_table_away RENAME TO dns_table');
    }
    await lab.db.pool.query(`UPDATE nodes SET name = 'web1.rack.example' WHERE id = 900`);
    await lab.settled(server);
  });

  it('netboot rule 2: a port that is taken stops the start with its owner; the same port of another address is free', async () => {
    const taken = createSocket('udp4');
    taken.bind({ address: '127.0.0.53', port: 0, exclusive: true });
    await once(taken, 'listening');
    const port = taken.address().port;
    await expect(lab.start({ listen: [{ address: '127.0.0.53', port }] })).rejects.toMatchObject({
      code: 'bad-configuration',
      message: expect.stringContaining('in use'),
    });
    await lab.start({ listen: [{ address: '127.0.0.54', port }] });
    taken.close();
  });
});

describe('over TCP', () => {
  it('answers several messages of one connection in order', async () => {
    const { port } = await lab.start();
    const requests = [1, 2, 3].map((id) => queryBytes('ctrl1.rack.example', RecordType.A, { id }));
    const answers = await askTcp(port, requests, 3);
    expect(answers.map((answer) => answer.readUInt16BE(0))).toEqual([1, 2, 3]);
  });

  it('gives a zone to a named secondary alone, and tells it of each change (RFC 5936, RFC 1996)', async () => {
    const secondary = createSocket('udp4');
    secondary.bind({ address: '127.0.0.1', port: 0 });
    await once(secondary, 'listening');
    const told: Buffer[] = [];
    secondary.on('message', (bytes, from) => {
      told.push(bytes);
      const reply = Buffer.from(bytes);
      reply[2] = (reply[2] ?? 0) | 0x80;
      secondary.send(reply, from.port, from.address);
    });
    await lab.db.pool.query(`INSERT INTO dns_zones (name, secondaries) VALUES ('rack.example', $1)`, [[`127.0.0.1:${secondary.address().port}`]]);
    const { server, port } = await lab.start();
    await waitFor(() => told.length === 1, { what: 'the first NOTIFY' });
    expect(told[0]?.subarray(2, 4)).toEqual(Buffer.from([0x24, 0]));
    await lab.db.pool.query(
      `INSERT INTO reservations (network_id, address, mac, hostname) SELECT 1, '10.0.0.' || n, 'aa:00:00:00:00:' || n, 'host-with-a-long-name-' || n FROM generate_series(10, 250) n`,
    );
    await lab.settled(server);
    await waitFor(() => told.length === 2, { what: 'NOTIFY of the change' });
    const answers = await askTcp(port, [queryBytes('rack.example', RecordType.AXFR)], 1);
    const records = answers.reduce((sum, answer) => sum + answer.readUInt16BE(6), 0);
    expect(records).toBe(241 + 2 + 1 + 2); // hosts, both SOA, NS, ns and ctrl1
    for (const program of programs) {
      const { stdout } = await run(program, ['@127.0.0.1', '-p', String(port), 'rack.example', 'AXFR']);
      expect(stdout.match(/^host-with-a-long-name-\d+\.rack\.example\.\s+60\s+IN\s+A\s/gm)).toHaveLength(241);
    }
    // Not named for the reverse zone.
    expect(rcode((await askTcp(port, [queryBytes('0.0.10.in-addr.arpa', RecordType.AXFR)], 1))[0] ?? Buffer.alloc(4))).toBe(5);
    expect(server.counters()).toMatchObject({ transfers: 1 + programs.length, transfersRefused: 1 });
    secondary.close();
  });
});

describe('the rate limit', () => {
  it('is not for clients of ours', async () => {
    const { server, port } = await lab.start({ rateLimit: { perSecond: 1, burst: 2 } });
    const query = queryBytes('ctrl1.rack.example', RecordType.A);
    // Loopback is ours: the limit is of the others, whom a test on one machine cannot be.
    for (let index = 0; index < 20; index += 1) expect(rcode(await askUdp(port, query, '127.0.0.9'))).toBe(0);
    expect(server.counters()).toMatchObject({ rateLimited: 0, replies: 20 });
  });
});

describe('forwarding', () => {
  let upstream: Socket;
  let heard: number;
  let badFirst: boolean;
  beforeEach(async () => {
    heard = 0;
    badFirst = false;
    upstream = createSocket('udp4');
    upstream.bind({ address: '127.0.0.1', port: 0 });
    await once(upstream, 'listening');
    upstream.on('message', (bytes, from) => {
      heard += 1;
      const reply = Buffer.concat([bytes, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1])]);
      reply[2] = 0x81;
      reply[3] = 0x80;
      reply[7] = 1;
      if (badFirst) {
        const forged = Buffer.from(reply);
        forged.writeUInt16BE((reply.readUInt16BE(0) + 1) & 0xffff, 0);
        upstream.send(forged, from.port, from.address);
      }
      upstream.send(reply, from.port, from.address);
    });
  });
  afterEach(() => void upstream.close());
  const listenAnywhere = () => ({ upstreams: [{ address: '127.0.0.1', port: upstream.address().port }] });

  it('asks for a client of ours, and takes only the answer to its own question', async () => {
    badFirst = true;
    const { port } = await lab.start(listenAnywhere());
    const answer = await askUdp(port, queryBytes('Example.com', RecordType.A, { rd: true, id: 77 }));
    expect(answer.readUInt16BE(0)).toBe(77);
    expect(answer.subarray(-4)).toEqual(Buffer.from([192, 0, 2, 1]));
    expect(heard).toBe(1);
    // Names of ours are never asked elsewhere; without RD nobody is asked.
    expect(rcode(await askUdp(port, queryBytes('nobody.rack.example', RecordType.A, { rd: true })))).toBe(3);
    expect(rcode(await askUdp(port, queryBytes('example.com', RecordType.A)))).toBe(5);
    expect(heard).toBe(1);
  });

  it('says SERVFAIL when nobody answers', async () => {
    const { port } = await lab.start({ upstreams: [{ address: '127.0.0.1', port: 9 }] });
    expect(rcode(await askUdp(port, queryBytes('example.com', RecordType.A, { rd: true })))).toBe(2);
  });
});

async function bindRole({ db }: Lab): Promise<void> {
  const role = await db.pool.query<{ id: number }>(`SELECT id FROM roles WHERE name = 'dns-test-role'`);
  const roleId = role.rows[0]?.id;
  await db.pool.query(`INSERT INTO deployment_roles (deployment_id, role_id) VALUES (900, $1) ON CONFLICT DO NOTHING`, [roleId]);
  await db.pool.query(`INSERT INTO node_roles (node_id, role_id, deployment_id, state, cohort) VALUES (900, $1, 900, 'PROPOSED', 0)`, [roleId]);
}
