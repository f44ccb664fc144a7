/** A cpio archive as the kernel unpacks it into its initramfs, owned by root whoever writes it. Format "newc": Documentation/driver-api/early-userspace/buffer-format.rst of Linux. */

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const ALIGN = 4;

/** @typedef {{ name: string, mode: number, data?: Buffer }} Entry mode with the file type's bits (inode(7)); data: contents, or the target of a link */

export const FILE = 0o100000;
export const FOLDER = 0o040000;
export const LINK = 0o120000;

/** @param {number} value */
const field = (value) => value.toString(16).toUpperCase().padStart(8, '0');

/** @param {number} length */
const padding = (length) => Buffer.alloc((ALIGN - (length % ALIGN)) % ALIGN);

/** @param {Entry} entry @param {number} inode @param {number} links */
function header({ name, mode, data }, inode, links) {
  const size = data?.length ?? 0;
  // inode, mode, uid, gid, links, mtime, size, device (2), device it stands for (2), length of the name with its NUL, checksum
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
  return Buffer.from(MAGIC + fields.map(field).join('') + `${name}\0`);
}

/** The archive. A folder has to stand before what lies in it. The same entries give the same bytes. @param {Entry[]} entries */
export function packCpio(entries) {
  /** @type {Buffer[]} */
  const parts = [];
  const all = [...entries, { name: TRAILER, mode: 0 }];
  for (const [index, entry] of all.entries()) {
    const head = header(entry, entry.name === TRAILER ? 0 : index + 1, 1);
    parts.push(head, padding(head.length));
    if (entry.data !== undefined) parts.push(entry.data, padding(entry.data.length));
  }
  return Buffer.concat(parts);
}
