import { describe, it, expect } from '@jest/globals';
import { answersUrl, isBootNic, parseKernelLine } from '../../../../src/simulator/boot/kernel-line.js';

describe('a kernel line', () => {
  it('gives each word its value, the last one of a name', () => {
    const { words } = parseKernelLine(' quiet  prybar.class=discovery url=http://h/a?b=c prybar.class=installer');
    expect([...words]).toEqual([
      ['quiet', ''],
      ['prybar.class', 'installer'],
      ['url', 'http://h/a?b=c'],
    ]);
  });

  it.each([
    ['auto=true url=http://h/boot/answers/t/preseed.cfg', 'http://h/boot/answers/t/preseed.cfg'],
    ['preseed/url=http://h/p', 'http://h/p'],
    ['inst.ks=http://h/ks.cfg inst.text', 'http://h/ks.cfg'],
    ['autoinstall ds=nocloud-net;s=http://h/boot/answers/t/', 'http://h/boot/answers/t/user-data'],
    ['autoinstall "ds=nocloud\\;s=http://h/t"', undefined],
    ['autoinstall ds=nocloud\\;s=http://h/t', 'http://h/t/user-data'],
    ['quiet', undefined],
  ])('%s has its answers at %s', (line, url) => {
    expect(answersUrl(parseKernelLine(line))).toBe(url);
  });

  it.each([
    ['BOOTIF=01-52-54-77-00-00-01', true],
    ['BOOTIF=01-52-54-77-00-00-02', false],
    ['BOOTIF=52:54:77:00:00:01', false],
    ['quiet', false],
  ])('%s names the boot NIC: %s', (line, expected) => {
    expect(isBootNic(parseKernelLine(line), '52:54:77:00:00:01')).toBe(expected);
  });
});
