import { describe, expect, it } from '@jest/globals';
import { shortNames } from '../../../../src/web/store/names.js';
import { foldTimeline, phaseOfLine, type TimelineItem } from '../../../../src/web/store/timeline.js';

const at = (seconds: number): string => new Date(Date.parse('2026-11-21T09:00:00Z') + seconds * 1000).toISOString();
const boot = (id: number, seconds: number, kind: string, text = ''): TimelineItem => ({ at: at(seconds), source: 'boot', id, kind, text });

describe('the boot timeline', () => {
  it('makes one line of the packets of one lease, newest line first', () => {
    const lines = foldTimeline([
      boot(1, 0, 'dhcp-discover', 'pxe, x86 BIOS'),
      boot(2, 0.1, 'dhcp-offer', '127.77.0.10, undionly.kpxe'),
      boot(3, 0.2, 'dhcp-request', '127.77.0.10'),
      boot(4, 0.3, 'dhcp-ack', '127.77.0.10, undionly.kpxe'),
      boot(5, 0.4, 'tftp-start', 'undionly.kpxe'),
    ]);
    expect(lines.map((line) => [line.family, line.steps, line.text])).toEqual([
      ['tftp', 'start', 'undionly.kpxe'],
      ['dhcp', 'discover, offer, request, ack', '127.77.0.10, undionly.kpxe'],
    ]);
  });

  it('does not fold what is repeated: a machine that asks again and again shows as such', () => {
    expect(foldTimeline([boot(1, 0, 'dhcp-discover'), boot(2, 1, 'dhcp-discover'), boot(3, 2, 'dhcp-discover')])).toHaveLength(3);
  });

  it('says how long it was silent before a step', () => {
    expect(foldTimeline([boot(1, 0, 'tftp-done'), boot(2, 95, 'dhcp-discover')]).map((line) => line.silence)).toEqual([95, 0]);
  });

  it('keeps runs and installs as lines of their own', () => {
    const lines = foldTimeline([boot(1, 0, 'http-kernel', 'linux'), { at: at(1), source: 'install', id: 6, kind: 'completed', text: 'debian-12' }]);
    expect(lines.map((line) => line.source)).toEqual(['install', 'boot']);
    expect(lines.map(phaseOfLine)).toEqual(['completed', 'kernel']);
  });
});

describe('short names', () => {
  it('takes the first label where it tells the nodes apart, and the whole name where not', () => {
    const short = shortNames(['n1.rack.a', 'n2.rack.a', 'n3.a', 'n3.b', 'plain', '10.0.0.1']);
    expect([...short.values()]).toEqual(['n1', 'n2', 'n3.a', 'n3.b', 'plain', '10.0.0.1']);
  });
});
