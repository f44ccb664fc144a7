/** A Unix socket, whose path crosses network namespaces, piped to a TCP port of the namespace this runs in: `<socket> <port>`. */
import { connect, createServer } from 'node:net';

const [, , socket, port] = process.argv;
createServer((near) => {
  const far = connect(Number(port), '127.0.0.1');
  near.pipe(far).pipe(near);
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
}).listen(socket, () => process.stdout.write('ready\n'));
