/** nginx from Debian on one folder: workers and sendfile as Debian's own configuration sets them, no access log. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from '../../lib/debian-tools.mjs';
import type { Tools } from '../bench.js';
import { cpuSecondsOfFamily } from '../lib/machine.js';
import { startProgram } from '../lib/program.js';

export async function startNginx(root: string, port: number, tools: Tools): Promise<{ url: string; cpu: () => number }> {
  const { nginx } = await ensureTools(['nginx']);
  const folder = mkdtempSync(join(tmpdir(), 'prybar-nginx-'));
  tools.onEnd(async () => rmSync(folder, { recursive: true, force: true }));
  for (const kind of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(folder, kind));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${join(folder, kind.replace('client_', ''))};`);
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${user} worker_processes auto; pid ${folder}/pid; daemon off; error_log stderr error;
     events { worker_connections 768; }
     http { sendfile on; tcp_nopush on; access_log off; types_hash_max_size 2048; ${temporary.join(' ')}
       server { listen 127.0.0.1:${port}; root ${root}; } }`,
  );
  const url = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  const program = await startProgram({ path: nginx.path, args: ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], env: nginx.env }, isUp, tools);
  return { url, cpu: () => cpuSecondsOfFamily(program.pid) };
}
