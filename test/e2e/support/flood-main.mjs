/** Many clients of one HTTP port on loopback that send something and hold on. Arguments: port, clients, addresses, words, drip. */
import { connect } from 'node:net';

const [port, clients, addresses, words, drip] = process.argv.slice(2);
const state = { opened: 0, answered: 0, cut: 0 };
const held = new Set();
/** At once as many as a backlog takes: what the kernel refuses tells nothing of the server. */
const AT_ONCE = 200;

/** @param {number} index */
function open(index) {
  const localAddress = `127.9.0.${(index % Number(addresses)) + 1}`;
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress });
  held.add(socket);
  socket.on('error', () => undefined);
  socket.once('data', () => (state.answered += 1));
  socket.once('close', () => {
    state.cut += 1;
    held.delete(socket);
  });
  socket.write(words);
}

const opening = setInterval(() => {
  for (let n = 0; n < AT_ONCE && state.opened < Number(clients); n += 1) open(state.opened++);
  if (state.opened === Number(clients)) clearInterval(opening);
}, 20);
setInterval(() => {
  if (drip !== '') for (const socket of held) if (!socket.destroyed) socket.write(drip);
  process.send?.(state);
}, 200);
// Bounded whatever happens to the test.
setTimeout(() => process.exit(1), 150_000);
