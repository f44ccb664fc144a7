/** attack 26: the preview of what a machine would be given. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { armInstall } from '../../../src/bootenvs/installs.js';
import { withTransaction } from '../../../src/db/client.js';
import { mintToken } from '../../../src/nodes/tokens.js';
import { API, startApi, type ApiFixture } from './api-fixture.js';

let fixture: ApiFixture;
const nodes = new Map<string, number>();
beforeAll(async () => {
  fixture = await startApi();
  for (const [index, name] of ['mine', 'other'].entries()) {
    const { body } = await fixture
      .as('operator')
      .post(`${API}/nodes`)
      .send({ name: `${name}.example.internal`, macs: [`52:54:00:26:00:0${index}`] })
      .expect(201);
    nodes.set(name, body.id);
  }
});
afterAll(() => fixture.close());

const HASH = '$6$saltsalt$thehashofthepassword';
const preview = (scope: 'viewer' | 'operator' | 'nobody', bootenv: string, node: string) =>
  fixture.as(scope).get(`${API}/bootenvs/${bootenv}/preview?node=${node}`);

async function arm(name: string, params: Record<string, unknown>): Promise<string> {
  return withTransaction(fixture.db.pool, async (tx) => {
    const nodeId = nodes.get(name) ?? 0;
    const { installId } = await armInstall(tx, { nodeId, nodeRoleId: nodeId, bootenv: 'debian-12', spec: { disk: 'sda', params } });
    return mintToken(tx, { kind: 'install', nodeId, installId, ttlSeconds: 600 });
  });
}

describe('GET /bootenvs/:key/preview', () => {
  it('attack 26: renders the files of one node, with no token, no hash and nothing of another node', async () => {
    const own = await arm('mine', { root_password_hash: HASH, authorized_keys: ['ssh-ed25519 AAAAmine me'] });
    const foreign = await arm('other', { root_password_hash: `${HASH}other`, authorized_keys: ['ssh-ed25519 AAAAother you'] });
    const before = await fixture.db.prisma.nodeToken.count();
    const { body } = await preview('operator', 'debian-12', 'mine.example.internal').expect(200);
    expect(body).toMatchObject({ bootenv: 'debian-12', node: { id: nodes.get('mine'), name: 'mine.example.internal' }, problems: [] });
    expect(body.files.map((file: { name: string }) => file.name)).toEqual(['preseed.cfg', 'script.ipxe', 'script.grub', 'script.pxelinux']);
    const text = JSON.stringify(body);
    expect(text).toContain('AAAAmine');
    for (const secret of [own, foreign, HASH, 'AAAAother', 'other.example.internal']) expect(text).not.toContain(secret);
    expect(await fixture.db.prisma.nodeToken.count()).toBe(before);
  });

  it('attack 26: is for operators', async () => {
    await preview('nobody', 'debian-12', 'mine.example.internal').expect(401);
    await preview('viewer', 'debian-12', 'mine.example.internal').expect(403);
  });

  it('attack 25: has no bootenv by a path, an absolute one or a URL, and says which is missing', async () => {
    for (const name of ['..%2f..%2fetc', '%2fetc%2fpasswd', 'http:%2f%2f192.0.2.1%2fx', 'no-such']) {
      const answer = await preview('operator', name, 'mine.example.internal');
      expect([400, 404]).toContain(answer.status);
      expect(JSON.stringify(answer.body)).not.toContain('root:');
    }
    await preview('operator', 'debian-12', 'nobody.example.internal').expect(404);
    await fixture.as('operator').get(`${API}/bootenvs/debian-12/preview`).expect(400);
  });
});
