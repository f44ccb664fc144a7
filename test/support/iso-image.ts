/** A small ISO 9660 image, built by hand. ECMA-119: a primary volume descriptor, a root with one folder, files. */

const SECTOR = 2048;

export type IsoEntry = { name: string; data?: Buffer; flags?: number; bytes?: number; sector?: number };

function record(name: string, sector: number, bytes: number, flags: number): Buffer {
  const id = Buffer.from(name, 'latin1');
  const length = 33 + id.length + ((33 + id.length) % 2);
  const out = Buffer.alloc(length);
  out[0] = length;
  out.writeUInt32LE(sector, 2);
  out.writeUInt32BE(sector, 6);
  out.writeUInt32LE(bytes, 10);
  out.writeUInt32BE(bytes, 14);
  out[25] = flags;
  out[32] = id.length;
  id.copy(out, 33);
  return out;
}

const DOTS = [record('\u0000', 20, SECTOR, 2), record('\u0001', 20, SECTOR, 2)];

/** `folder/NAME.;1` for each entry; sizes and places may be lied about. */
export function buildIso(folder: string, entries: readonly IsoEntry[]): Buffer {
  let next = 22;
  const files = entries.map((entry) => {
    const sector = entry.sector ?? next;
    next += Math.ceil((entry.data?.length ?? 0) / SECTOR);
    return { ...entry, sector };
  });
  const image = Buffer.alloc(next * SECTOR);
  const descriptor = image.subarray(16 * SECTOR);
  descriptor[0] = 1;
  descriptor.write('CD001\u0001', 1, 'latin1');
  record('\u0000', 20, SECTOR, 2).copy(descriptor, 156);
  image[17 * SECTOR] = 255;
  image.write('CD001\u0001', 17 * SECTOR + 1, 'latin1');
  Buffer.concat([...DOTS, record(folder.toUpperCase(), 21, SECTOR, 2)]).copy(image, 20 * SECTOR);
  Buffer.concat([...DOTS, ...files.map(({ name, data, flags, bytes, sector }) => record(name, sector, bytes ?? data?.length ?? 0, flags ?? 0))]).copy(
    image,
    21 * SECTOR,
  );
  for (const { data, sector } of files) data?.copy(image, sector * SECTOR);
  return image;
}
