/** A relay in another network namespace: reads `{ mac, arch, ipxe }` as lines, answers each with what the server offered. */
import { createInterface } from 'node:readline';
import { openRelay } from './dhcp-relay.js';

const [address = '', server = '', port = '67'] = process.argv.slice(2);
const relay = await openRelay(address, { address: server, port: Number(port) });
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as { mac: string; arch?: number; ipxe?: boolean };
  process.stdout.write(`${JSON.stringify(await relay.discover(asked.mac, asked))}\n`);
}
await relay.close();
