/**
 * `npm run e2e`: the real program (dist, as `npm start` runs it), one installation at a time, each in a temporary home with
 * ports of its own. Not part of `npm test`: it takes minutes, and what it proves is timing on a machine that is not busy.
 */
import { readFileSync } from 'node:fs';

const { projects } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).jest;
const { testEnvironment, extensionsToTreatAsEsm, moduleNameMapper, transform, modulePathIgnorePatterns } = projects[1];

export default {
  displayName: 'e2e',
  rootDir: '../..',
  roots: ['<rootDir>/test/e2e'],
  testMatch: ['**/*.test.ts'],
  testEnvironment,
  extensionsToTreatAsEsm,
  moduleNameMapper,
  transform,
  modulePathIgnorePatterns,
  testTimeout: 180_000,
  maxWorkers: 1,
};
