#!/usr/bin/env node
/** `npm run images`: the ramdisk that real machines boot into (discovery, maintenance, image). --flavour cloud: for virtual machines. */
import { parseArgs } from 'node:util';
import { withLock } from './lib/lock.mjs';
import { prybarHome } from './lib/project.mjs';
import { buildImages, flavours } from './lib/ramdisk.mjs';
import { main } from './lib/step.mjs';

await main(async () => {
  const { values } = parseArgs({ options: { flavour: { type: 'string', default: 'generic' } } });
  const flavour = flavours.find((name) => name === values.flavour);
  if (flavour === undefined) throw new Error(`--flavour: ${values.flavour} is not one of ${flavours.join(', ')}`);
  const built = await withLock(`images ${prybarHome}`, () => buildImages(flavour));
  process.stdout.write(`kernel ${built.version}\n${built.kernel}\n${built.initrd}\n`);
});
