import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { findPackageRoot } from '../db/package-root.js';

/** The version of this package. */
export const VERSION = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(path.join(findPackageRoot(), 'package.json'), 'utf8'))).version;
