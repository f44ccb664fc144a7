/**
 * Before the integration tests. Not TypeScript, because Jest would load that by require, which cannot follow our ESM
 * imports; tsx loads it here, in Jest's own process, so that what is set in process.env reaches the workers.
 */
import { tsImport } from 'tsx/esm/api';

export default async function setUp() {
  /** @type {typeof import('./test-servers.js')} */
  const { startTestServers } = await tsImport('./test-servers.ts', import.meta.url);
  globalThis.prybarTestServers = await startTestServers();
}
