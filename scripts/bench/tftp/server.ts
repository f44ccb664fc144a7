/** Our TFTP server alone in a process, for the bench: `server.ts <root> <port>`. The cap for each address is out of the way: all clients are one address. */
import { createLogger } from '../../../src/shared/logger.js';
import { TftpServer } from '../../../src/tftp/server.js';

const [root = '.', port = '0'] = process.argv.slice(2);
const server = new TftpServer({
  addresses: ['127.0.0.1'],
  port: Number(port),
  root,
  log: createLogger('bench-tftp', 'warn'),
  limits: { maxTransfersPerAddress: 400 },
});
void server.start().then(() => process.send?.({ kind: 'ready' }));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
