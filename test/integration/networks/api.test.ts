import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { API, rowCounts, startApi, type ApiFixture } from '../api/api-fixture.js';

let fixture: ApiFixture;
beforeAll(async () => {
  fixture = await startApi();
});
afterAll(() => fixture.close());

const op = () => fixture.as('operator');
const errors = (body: { errors: { field: string; message: string }[] }) => body.errors.map(({ field, message }) => `${field}: ${message}`);
const events = async (kind: string) =>
  (await fixture.db.pool.query<{ data: { change: string } }>('SELECT data FROM outbox_events WHERE kind = $1 ORDER BY id', [kind])).rows.map(
    (row) => row.data.change,
  );

const ADMIN = {
  name: 'admin',
  subnet: '10.100.1.0/24',
  domain: 'rack.example',
  routers: [
    { address: '10.100.1.2', pref: 20 },
    { address: '10.100.1.1', pref: 10 },
  ],
  ranges: [
    { name: 'host', first: '10.100.1.20', last: '10.100.1.99' },
    { name: 'dhcp', first: '10.100.1.100', last: '10.100.1.200' },
  ],
};

describe('networks', () => {
  it('are made, listed with how full they are, changed and deleted; each change is an event and a revision', async () => {
    const made = await op().post(`${API}/networks`).send(ADMIN).expect(201);
    expect(made.body).toMatchObject({ name: 'admin', category: 'admin', dhcp_mode: 'authoritative', group: 'default', version: 1, allocations: 0 });
    // The lowest preference is the one that DHCP gives.
    expect((await fixture.db.pool.query('SELECT router FROM networks')).rows).toEqual([{ router: '10.100.1.1' }]);
    await op()
      .post(`${API}/nodes`)
      .send({ name: 'ctrl{n}', macs: ['52:54:00:00:00:01'] })
      .expect(201);
    const listed = await fixture.as('viewer').get(`${API}/networks?q=adm`).expect(200);
    expect(listed.body.items[0].ranges).toEqual([
      { name: 'host', first: '10.100.1.20', last: '10.100.1.99', conduit: null, vlan: null, size: 80, allocated: 1, leased: 0 },
      { name: 'dhcp', first: '10.100.1.100', last: '10.100.1.200', conduit: null, vlan: null, size: 101, allocated: 0, leased: 0 },
    ]);
    const before = (await fixture.db.pool.query<{ revision: number }>('SELECT revision FROM dhcp_table')).rows[0]?.revision ?? 0;
    const changed = await op()
      .patch(`${API}/networks/admin`)
      .send({ vlan: 12, options: { 'ntp-servers': ['10.100.1.1'] }, quiet_ra: true, version: 1 })
      .expect(200);
    expect(changed.body).toMatchObject({ vlan: 12, options: { 'ntp-servers': ['10.100.1.1'] }, quiet_ra: true, version: 2 });
    expect((await fixture.db.pool.query('SELECT revision FROM dhcp_table')).rows).toEqual([{ revision: before + 1 }]);
    expect((await op().patch(`${API}/networks/admin`).send({ vlan: 13, version: 1 }).expect(409)).body.code).toBe('stale');
    await op().post(`${API}/networks`).send({ name: 'spare', subnet: '10.7.0.0/24' }).expect(201);
    await fixture.as('admin').delete(`${API}/networks/spare`).expect(204);
    expect(await events('network-changed')).toEqual(['created', 'changed', 'created', 'deleted']);
  });

  it.each<[string, object, string[]]>([
    [
      'a block that another has',
      { name: 'x', subnet: '10.100.0.0/16' },
      ['subnet: overlaps network admin (10.100.1.0/24); choose another block, or make that one smaller'],
    ],
    [
      'a router outside',
      { name: 'x', subnet: '10.2.0.0/24', routers: [{ address: '10.3.0.1' }] },
      ['routers.0.address: must be a host address in 10.2.0.0/24'],
    ],
    [
      'a router that the pool would give away',
      { name: 'x', subnet: '10.2.0.0/24', routers: [{ address: '10.2.0.1' }], ranges: [{ name: 'dhcp', first: '10.2.0.1', last: '10.2.0.9' }] },
      ['routers.0.address: 10.2.0.1 lies in range dhcp; begin the range after it, or end it before'],
    ],
    [
      'ranges that overlap, and one turned round',
      {
        name: 'x',
        subnet: '10.2.0.0/24',
        ranges: [
          { name: 'a', first: '10.2.0.5', last: '10.2.0.9' },
          { name: 'b', first: '10.2.0.9', last: '10.2.0.12' },
          { name: 'c', first: '10.2.0.40', last: '10.2.0.30' },
        ],
      },
      ['ranges.1: overlaps range a', 'ranges.2: the first address must not come after the last'],
    ],
    ['no address', { name: 'x', subnet: '10.2.0.0/24', dns: ['ns.example'] }, ['dns.0: an IPv4 address, for example 10.0.0.5']],
    [
      'an option of DHCP that is none',
      { name: 'x', subnet: '10.2.0.0/24', options: { 'ntp-servers': ['nobody'] }, relays: ['10.1'] },
      [expect.stringMatching(/^relays: "10\.1" is not/), expect.stringMatching(/^options: .*ntp-servers/)] as never,
    ],
    [
      'a conduit of two speeds',
      { name: 'x', subnet: '10.2.0.0/24', conduit: '1g0,10g1', team_mode: 5 },
      ['conduit: its ports must have one speed and one sign'],
    ],
    ['a team without a mode', { name: 'x', subnet: '10.2.0.0/24', conduit: '1g0,1g1' }, ['team_mode: several ports need a bonding mode, 0 to 6']],
    ['a tag that does not exist', { name: 'x', subnet: '10.2.0.0/24', vlan: 4095 }, [expect.stringMatching(/^vlan: /)] as never],
    [
      'a template without a number',
      { name: 'x', subnet: '10.2.0.0/24', name_template: 'ctrl' },
      ['name_template: a first label with {n}, the number: for example ctrl{n}'],
    ],
  ])('refuse %s, with the field and the fix, and write nothing', async (_what, body, wanted) => {
    const before = await rowCounts(fixture.db);
    const { body: problem } = await op().post(`${API}/networks`).send(body).expect(400);
    expect(errors(problem)).toEqual(wanted);
    expect(await rowCounts(fixture.db)).toEqual(before);
    expect((await fixture.db.pool.query(`SELECT 1 FROM networks WHERE name = 'x'`)).rowCount).toBe(0);
  });

  it('refuse to shrink under live leases and allocations, naming them; conduits are identical or disjoint', async () => {
    const { rows } = await fixture.db.pool.query<{ id: number }>(`SELECT id FROM networks WHERE name = 'admin'`);
    await fixture.db.pool.query(
      `INSERT INTO leases (address, network_id, mac, expires_at) VALUES ('10.100.1.150', $1, '52:54:00:00:00:77', now() + interval '1 hour')`,
      [rows[0]?.id],
    );
    const shrunk = await op()
      .patch(`${API}/networks/admin`)
      .send({ ranges: [{ name: 'dhcp', first: '10.100.1.100', last: '10.100.1.120' }] })
      .expect(400);
    expect(errors(shrunk.body)[0]).toMatch(/^ranges: leave out addresses that are leased: 10\.100\.1\.150 \(52:54:00:00:00:77\); release them/);
    const moved = await op().patch(`${API}/networks/admin`).send({ subnet: '10.100.2.0/24', ranges: [], routers: [] }).expect(400);
    expect(errors(moved.body)[0]).toMatch(/^subnet: leaves out addresses that are allocated: 10\.100\.1\.20 \(ctrl1\)/);
    await op().post(`${API}/networks`).send({ name: 'bond', subnet: '10.3.0.0/24', conduit: '1g0,1g1', team_mode: 4 }).expect(201);
    const crossing = await op().post(`${API}/networks`).send({ name: 'x', subnet: '10.4.0.0/24', conduit: '1g1' }).expect(400);
    expect(errors(crossing.body)).toEqual([
      'conduit: shares some ports with that of network bond (1g0,1g1); two conduits are identical or have no port in common',
    ]);
    expect((await fixture.as('admin').delete(`${API}/networks/admin`).expect(409)).body.code).toBe('network-in-use');
  });
});

describe('leases', () => {
  it('are listed by filter and page in the order of addresses, and released once', async () => {
    await fixture.db.pool.query(
      `INSERT INTO leases (address, network_id, mac, state, expires_at) SELECT '10.100.1.' || n, id, '52:54:00:00:02:' || (n - 100), 'active', now() + make_interval(mins => n - 112) FROM networks, generate_series(110, 114) n WHERE name = 'admin'`,
    );
    const first = await fixture.as('viewer').get(`${API}/leases?network=admin&limit=2`).expect(200);
    expect(first.body.items.map((lease: { address: string; state: string }) => [lease.address, lease.state])).toEqual([
      ['10.100.1.110', 'expired'],
      ['10.100.1.111', 'expired'],
    ]);
    expect(first.body.total).toBe(6);
    const second = await fixture.as('viewer').get(`${API}/leases?network=admin&state=active&after=${first.body.next}`).expect(200);
    expect(second.body.items.map((lease: { address: string }) => lease.address)).toEqual(['10.100.1.113', '10.100.1.114', '10.100.1.150']);
    await op().delete(`${API}/leases/10.100.1.114`).expect(204);
    expect((await op().delete(`${API}/leases/10.100.1.114`).expect(409)).body.code).toBe('lease-over');
    await op().delete(`${API}/leases/10.100.1.200`).expect(404);
    await fixture.as('viewer').get(`${API}/leases?state=sleeping`).expect(400);
  });
});

describe('allocations', () => {
  it('netboot rule 8: of a BMC with a name, of a node, and one that is only recorded', async () => {
    await op()
      .post(`${API}/networks`)
      .send({ name: 'oob', subnet: '10.9.0.0/24', category: 'bmc', domain: 'rack.example', ranges: [{ name: 'bmc', first: '10.9.0.10', last: '10.9.0.11' }] })
      .expect(201);
    const bmc = await op().post(`${API}/allocations`).send({ network: 'oob', range: 'bmc', mac: 'AA-BB-CC-00-00-01', node: 'ctrl1' }).expect(201);
    expect(bmc.body).toMatchObject({ address: '10.9.0.10', mac: 'aa:bb:cc:00:00:01', unmanaged: false, node: { name: 'ctrl1' } });
    await op().post(`${API}/allocations`).send({ network: 'oob', address: '10.9.0.77', hostname: 'printer', unmanaged: true }).expect(201);
    const { body } = await fixture.as('viewer').get(`${API}/allocations?network=oob&unmanaged=true`).expect(200);
    expect(body.items).toMatchObject([{ address: '10.9.0.77', mac: null, hostname: 'printer' }]);
    const zone = await fixture.as('viewer').get(`${API}/dns/zones/rack.example/file`).expect(200);
    expect(zone.body.text).toContain('ctrl1-bmc.rack.example. 60 IN A 10.9.0.10');
    expect(zone.body.text).not.toContain('printer');
    await op().delete(`${API}/allocations/${bmc.body.id}`).expect(204);
    expect((await events('allocation-changed')).slice(-3)).toEqual(['created', 'created', 'deleted']);
  });

  it.each<[object, number, string]>([
    [{ network: 'oob', address: '10.9.0.77', mac: '02:00:00:00:00:01' }, 409, 'address-taken'],
    [{ network: 'admin', address: '10.100.1.1', mac: '02:00:00:00:00:01' }, 400, 'validation-failed'],
    [{ network: 'admin', address: '10.101.1.9', mac: '02:00:00:00:00:01' }, 400, 'validation-failed'],
    [{ network: 'admin', mac: '52:54:00:00:00:01' }, 409, 'mac-taken'],
    [{ network: 'nowhere', mac: '02:00:00:00:00:01' }, 400, 'validation-failed'],
    [{ network: 'oob', hostname: 'x' }, 400, 'validation-failed'],
    [{ network: 'oob', range: 'none', mac: '02:00:00:00:00:01' }, 400, 'validation-failed'],
  ])('refuse %j', async (body, status, code) => {
    expect((await op().post(`${API}/allocations`).send(body).expect(status)).body.code).toBe(code);
  });
});

describe('zones and records', () => {
  it('are listed, made special, written and exported', async () => {
    await op()
      .put(`${API}/dns/zones/rack.example`)
      .send({ ttl: 30, secondaries: ['10.100.1.3:5300'], contact: 'ops@rack.example' })
      .expect(200);
    const { body } = await fixture.as('viewer').get(`${API}/dns/zones`).expect(200);
    expect(body.items.find((zone: { name: string }) => zone.name === 'rack.example')).toMatchObject({
      written: true,
      ttl: 30,
      secondaries: ['10.100.1.3:5300'],
      contact: 'ops@rack.example',
    });
    expect(body.items.map((zone: { name: string }) => zone.name)).toContain('1.100.10.in-addr.arpa');
    const record = await op().post(`${API}/dns/records`).send({ name: 'www.rack.example', type: 'CNAME', value: 'ctrl1.rack.example' }).expect(201);
    expect((await op().post(`${API}/dns/records`).send({ name: 'www.rack.example', type: 'A', value: '10.0.0.1' }).expect(409)).body.code).toBe('alias');
    expect((await op().post(`${API}/dns/records`).send({ name: 'x.elsewhere', type: 'A', value: '10.0.0.1' }).expect(400)).body.errors[0].field).toBe('name');
    expect((await op().post(`${API}/dns/records`).send({ name: 'y.rack.example', type: 'AAAA', value: '10.0.0.1' }).expect(400)).body.errors[0].field).toBe(
      'value',
    );
    await op().put(`${API}/dns/zones/rack.example`).send({ template: '{{evil}}' }).expect(400);
    const file = await fixture.as('viewer').get(`${API}/dns/zones/rack.example/file`).expect(200);
    expect(file.body.text).toContain('www.rack.example. 30 IN CNAME ctrl1.rack.example.');
    await op().delete(`${API}/dns/records/${record.body.id}`).expect(204);
    await op().delete(`${API}/dns/zones/rack.example`).expect(204);
    await fixture.as('viewer').get(`${API}/dns/zones/none.example/file`).expect(404);
  });
});

describe('tokens', () => {
  it('are shown once, work until they are revoked, and only administrators make them', async () => {
    await op().get(`${API}/tokens`).expect(403);
    const made = await fixture.as('admin').post(`${API}/tokens`).send({ name: 'ci', scope: 'viewer' }).expect(201);
    const ask = () => fixture.as('nobody').get(`${API}/networks`).set('Authorization', `Bearer ${made.body.token}`);
    await ask().expect(200);
    expect((await fixture.as('admin').post(`${API}/tokens`).send({ name: 'ci', scope: 'viewer' }).expect(409)).body.code).toBe('name-taken');
    await fixture.as('admin').delete(`${API}/tokens/${made.body.id}`).expect(204);
    await ask().expect(401);
    const { body } = await fixture.as('admin').get(`${API}/tokens`).expect(200);
    expect(JSON.stringify(body)).not.toContain(made.body.token);
    const own = body.items.find((token: { name: string }) => token.name === 'admin');
    expect((await fixture.as('admin').delete(`${API}/tokens/${own.id}`).expect(409)).body.code).toBe('own-token');
  });
});
