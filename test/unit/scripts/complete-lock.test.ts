import { expect, it } from '@jest/globals';
import { missingEntries, platformOf } from '../../../scripts/complete-lock.mjs';

it.each([
  ['@swc/core-darwin-arm64', { cpu: ['arm64'], os: ['darwin'] }],
  ['@oxfmt/binding-linux-x64-musl', { cpu: ['x64'], libc: ['musl'], os: ['linux'] }],
  ['@oxfmt/binding-linux-arm-gnueabihf', { cpu: ['arm'], libc: ['glibc'], os: ['linux'] }],
  ['@msgpackr-extract/msgpackr-extract-win32-x64', { cpu: ['x64'], os: ['win32'] }],
])('reads the platform of %s from its name', (name, platform) => expect(platformOf(name)).toEqual(platform));

it('adds only the optional binaries that the lock lacks', () => {
  const packages = {
    'node_modules/tool': { version: '1.0.0', dev: true, optionalDependencies: { 'tool-linux-x64-gnu': '1.0.0', 'tool-darwin-x64': '1.0.0', pretty: '2.0.0' } },
    'node_modules/tool-linux-x64-gnu': { version: '1.0.0' },
  };
  expect(missingEntries(packages)).toEqual({
    'node_modules/tool-darwin-x64': { version: '1.0.0', dev: true, optional: true, cpu: ['x64'], os: ['darwin'] },
  });
});
