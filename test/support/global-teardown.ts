import type {} from './test-servers.js';

/** After the integration tests: stops what global-setup.mjs started, and nothing else. */
export default async function tearDown(): Promise<void> {
  await globalThis.prybarTestServers?.stop();
}
