/** How full a range of addresses is, for its bar and its words. */

export interface RangeUse {
  readonly size: number;
  readonly allocated: number;
  readonly leased: number;
}

export interface Fill {
  readonly percent: number;
  readonly ownPercent: number;
  readonly leasedPercent: number;
  /** `bad`: somebody will get none soon. */
  readonly tone: 'calm' | 'warn' | 'bad';
  readonly words: string;
}

const WARN_PERCENT = 80;
const BAD_PERCENT = 95;

export function fillOf({ size, allocated, leased }: RangeUse): Fill {
  const part = (count: number): number => (size <= 0 ? 0 : Math.min(100, (100 * count) / size));
  const percent = Math.round(part(allocated + leased));
  const free = Math.max(0, size - allocated - leased);
  return {
    percent,
    ownPercent: part(allocated),
    leasedPercent: Math.min(part(leased), 100 - part(allocated)),
    tone: free === 0 || percent >= BAD_PERCENT ? 'bad' : percent >= WARN_PERCENT ? 'warn' : 'calm',
    words: `${allocated} own, ${leased} leased, ${free.toLocaleString('en-US')} free`,
  };
}
