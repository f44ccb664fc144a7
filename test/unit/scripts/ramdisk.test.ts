/** What goes into the ramdisk: the archive the kernel unpacks, and which drivers it takes along. */
import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { FILE, FOLDER, LINK, packCpio } from '../../../scripts/lib/cpio.mjs';
import { chooseModules, parseDependencies } from '../../../scripts/lib/kernel-modules.mjs';

describe('cpio archive', () => {
  const entries = [
    { name: 'bin', mode: FOLDER | 0o755 },
    { name: 'bin/busybox', mode: FILE | 0o755, data: Buffer.from('seven b') },
    { name: 'bin/sh', mode: LINK | 0o777, data: Buffer.from('busybox') },
  ];

  it('is the same for the same entries, and aligned as newc wants it', () => {
    const archive = packCpio(entries);
    expect(archive.equals(packCpio(entries))).toBe(true);
    expect(archive.length % 4).toBe(0);
    expect(archive.subarray(0, 6).toString()).toBe('070701');
  });

  it('is read by cpio as it was meant', () => {
    const listed = spawnSync('cpio', ['-itv', '--quiet'], { input: packCpio(entries), encoding: 'utf8' });
    if (listed.error !== undefined) {
      process.stderr.write('left out: reading the archive back needs cpio\n');
      return;
    }
    expect(listed.stdout).toMatch(/^drwxr-xr-x .* bin\n-rwxr-xr-x .* 7 .* bin\/busybox\nlrwxrwxrwx .* bin\/sh -> busybox\n$/);
  });
});

describe('drivers of the ramdisk', () => {
  const table = parseDependencies(
    [
      'kernel/drivers/net/virtio_net.ko: kernel/net/core/failover.ko kernel/drivers/virtio/virtio_ring.ko',
      'kernel/net/core/failover.ko:',
      'kernel/drivers/virtio/virtio_ring.ko:',
      'kernel/drivers/gpu/drm/i915/i915.ko: kernel/drivers/gpu/drm/drm.ko',
      'kernel/drivers/gpu/drm/drm.ko:',
      'kernel/drivers/net/ethernet/mellanox/mlxsw/mlxsw_core.ko:',
      '',
    ].join('\n'),
  );

  it('are those of disks, networks and the BMC, with what they stand on', () => {
    expect(chooseModules(table)).toEqual(['kernel/drivers/net/virtio_net.ko', 'kernel/drivers/virtio/virtio_ring.ko', 'kernel/net/core/failover.ko']);
  });

  it('end on a circle of dependencies', () => {
    expect(chooseModules(parseDependencies('kernel/fs/ext4/a.ko: kernel/b.ko\nkernel/b.ko: kernel/fs/ext4/a.ko\n'))).toEqual([
      'kernel/b.ko',
      'kernel/fs/ext4/a.ko',
    ]);
  });
});
