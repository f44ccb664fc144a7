/**
 * The npm `dhcp` package as a client: prints what it hears until its REQUEST is acknowledged. `node npm-client.mjs <mac>`
 * Its first REQUEST names no address (it remembers the offer only after it was built), which no server can answer; the one
 * after a second DISCOVER does.
 */
import dhcp from 'dhcp';

const client = dhcp.createClient({ mac: process.argv[2] ?? '' });
client.on('message', ({ yiaddr, options }) => {
  const kind = options[53] === 2 ? 'offer' : options[53] === 5 ? 'ack' : 'nak';
  process.stdout.write(`${kind} ${yiaddr} from ${String(options[54])} router ${String(options[3])}\n`);
  if (kind === 'ack') process.exit(0);
});
client.on('error', (error) => process.stdout.write(`error ${error.message}\n`));
client.listen();
client.on('listening', () => {
  client.sendDiscover();
  setInterval(() => client.sendDiscover(), 1000);
});
setTimeout(() => process.exit(1), 15_000);
