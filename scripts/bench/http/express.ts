/** Bare Express 5 that says hello: `express.ts <port>`. */
import express from 'express';

express()
  .get('/', (_req, res) => void res.send('hello'))
  .listen(Number(process.argv[2] ?? '0'), '127.0.0.1', () => process.send?.({ kind: 'ready' }));
process.once('SIGTERM', () => process.exit(0));
