/** The checker must find what it is there to find: a sound history, doctored in one place at a time. */
import { describe, expect, it } from '@jest/globals';
import { violations } from '../../chaos/checker.js';
import type { EventSeen, History } from '../../chaos/history.js';
import type { Stamp } from '../../chaos/worker/journal.js';

const PARENT = 1;
const CHILD = 2;
const BROKEN = 3;
const NODE = 7;

let clock = 0;
const stamp = (kind: Stamp['kind'], run: number, fence: number, noderole: number, more: Partial<Stamp> = {}): Stamp => ({
  kind,
  run,
  fence,
  noderole,
  node: NODE,
  key: String(NODE),
  pid: 100,
  at: String((clock += 1_000_000)),
  ...more,
});

/** A parent that waits once, its child, and one that is told to fail, on one machine; everything as it should be. */
function sound(): History {
  clock = 0;
  const stamps: Stamp[] = [
    stamp('begin', 10, 2, PARENT),
    stamp('wait', 10, 2, PARENT, { keeps: 'node' }),
    stamp('begin', 10, 3, PARENT),
    stamp('act', 10, 3, PARENT),
    stamp('done', 10, 3, PARENT, { wall: { v: 1 } }),
    stamp('begin', 11, 2, CHILD, { pid: 101 }),
    stamp('gave-up', 11, 2, CHILD, { pid: 101 }),
    stamp('begin', 12, 2, CHILD),
    stamp('done', 12, 2, CHILD, { wall: { v: 2, run: 12 } }),
    stamp('begin', 13, 2, BROKEN),
    stamp('fail', 13, 2, BROKEN),
  ];
  const events: EventSeen[] = [];
  const tell = (kind: string, id: number, version: number, data: Record<string, unknown>) =>
    void events.push({ pos: events.length + 1, n: 0, kind, subject: kind === 'run-ended' ? 'run' : 'noderole', id, version, data });
  const move = (id: number, version: number, from: string, to: string) => tell('noderole-changed', id, version, { from, to });
  const end = (id: number, outcome: string) => tell('run-ended', id, 1, { outcome });
  for (const id of [PARENT, CHILD, BROKEN]) move(id, 1, 'NONE', 'PROPOSED');
  tell('deployment-committed', 1, 1, {});
  move(PARENT, 2, 'PROPOSED', 'TODO');
  move(CHILD, 2, 'PROPOSED', 'BLOCKED');
  move(BROKEN, 2, 'PROPOSED', 'TODO');
  move(PARENT, 3, 'TODO', 'TRANSITION');
  end(10, 'succeeded');
  move(PARENT, 4, 'TRANSITION', 'ACTIVE');
  move(CHILD, 3, 'BLOCKED', 'TODO');
  move(CHILD, 4, 'TODO', 'TRANSITION');
  move(CHILD, 5, 'TRANSITION', 'TODO');
  end(11, 'lease-lost');
  move(CHILD, 6, 'TODO', 'TRANSITION');
  end(12, 'succeeded');
  move(CHILD, 7, 'TRANSITION', 'ACTIVE');
  move(BROKEN, 3, 'TODO', 'TRANSITION');
  end(13, 'failed');
  move(BROKEN, 4, 'TRANSITION', 'ERROR');
  const noderole = { nodeId: NODE, pending: 0, slack: 0, barrier: false, committed: true, wall: '{}', errorCode: null };
  const run = { key: String(NODE), jig: 'test', status: 'ENDED', started: true, fence: 2 };
  return {
    noderoles: [
      { ...noderole, id: PARENT, name: 'parent@m1', state: 'ACTIVE', version: 4, wall: '{"v": 1}' },
      { ...noderole, id: CHILD, name: 'child@m1', state: 'ACTIVE', version: 7, wall: '{"run": 12, "v": 2}' },
      { ...noderole, id: BROKEN, name: 'broken@m1', state: 'ERROR', version: 4, errorCode: 'told-to-fail' },
    ],
    edges: [[PARENT, CHILD]],
    runs: [
      { ...run, id: 10, noderole: PARENT, outcome: 'succeeded', fence: 3 },
      { ...run, id: 11, noderole: CHILD, outcome: 'lease-lost', fence: 3 },
      { ...run, id: 12, noderole: CHILD, outcome: 'succeeded' },
      { ...run, id: 13, noderole: BROKEN, outcome: 'failed' },
    ],
    events,
    lateResults: [],
    oddLogs: [],
    revisions: [{ id: 1, revision: 1, commits: 1 }],
    left: { waits: 0, propagations: 0, deliveries: 0, parked: 0, unsequenced: 0 },
    stamps,
    stream: { from: 2, ids: events.slice(2).map((event) => `${event.pos}.${event.n}`), resets: 0 },
    bound: [PARENT, CHILD, BROKEN],
    commits: [{ id: 1, revision: 1 }],
    told: [BROKEN],
    seenLive: [],
  };
}

const eventOf = (history: History, kind: string, id: number, at = 0) => history.events.filter((event) => event.kind === kind && event.id === id)[at];

type Doctored = [what: string, doctor: (history: History) => void, found: RegExp];
const doctored: Doctored[] = [
  ['a second run acts on a machine before the first has ended', (h) => (h.stamps[3] = { ...h.stamps[3], at: '7500000' }), /double run on 7: run 11/],
  [
    'an agent works on while another run acts',
    (h) => void h.stamps.push({ ...stamp('begin', 9, 1, 0), agent: true, at: '1500000' }, { ...stamp('act', 9, 1, 0), agent: true, at: '8500000' }),
    /double run on 7/,
  ],
  ['a resumed worker acts after it lost its machine', (h) => (h.stamps[6] = { ...h.stamps[6], kind: 'act', at: '8500000' }), /double run on 7: run 12/],
  [
    'another run is on a machine that a wait keeps',
    (h) => void h.stamps.push({ ...stamp('begin', 11, 1, CHILD), at: '2500000' }),
    /was on 7 while run 10 waited/,
  ],
  ['one fence starts twice', (h) => void h.stamps.push(stamp('begin', 12, 2, CHILD, { pid: 102 })), /fence 2 of run 12 started twice/],
  ['a success that no turn has earned', (h) => void h.stamps.splice(8, 1), /run 12 succeeded, but no turn/],
  ['a turn of no run', (h) => void h.stamps.push(stamp('begin', 99, 2, CHILD)), /run 99 .* is of no run/],
  ['a turn with a fence from nowhere', (h) => void h.stamps.push(stamp('begin', 13, 9, BROKEN)), /held a fence above/],
  ['a run ends twice', (h) => void h.events.push({ ...eventOf(h, 'run-ended', 12), pos: h.events.length + 1 }), /run 12 is ENDED with 2 end records/],
  ['a run ends without a record', (h) => (eventOf(h, 'run-ended', 12).kind = 'other'), /run 12 is ENDED with 0 end records/],
  [
    'a run ends otherwise than its record says',
    (h) => (eventOf(h, 'run-ended', 12).data = { outcome: 'failed' }),
    /run 12 ended succeeded, its end record says failed/,
  ],
  [
    'a step of a history is missing',
    (h) => (eventOf(h, 'noderole-changed', CHILD, 2).kind = 'other'),
    /history of noderole 2: .* it left TODO, but it was BLOCKED/,
  ],
  [
    'two steps of a history are swapped',
    (h) => {
      const [a, b] = [eventOf(h, 'noderole-changed', CHILD, 3), eventOf(h, 'noderole-changed', CHILD, 4)];
      [a.version, b.version] = [b.version, a.version];
    },
    /its version 4 came after 5/,
  ],
  [
    'a step that the table has not',
    (h) => {
      eventOf(h, 'noderole-changed', BROKEN, 3).data = { from: 'TRANSITION', to: 'NONE' };
    },
    /went TRANSITION -> NONE/,
  ],
  ['a state that its events do not tell', (h) => (h.noderoles[1].state = 'TODO'), /noderole 2 is TODO, its last event says ACTIVE/],
  ['a noderole is gone', (h) => void h.noderoles.splice(1, 1), /lost noderole 2/],
  [
    'a child goes before its parent',
    (h) => {
      const parent = eventOf(h, 'noderole-changed', PARENT, 3);
      const at = h.events.indexOf(parent);
      h.events.splice(at, 1);
      h.events.splice(at + 4, 0, parent);
      h.events.forEach((event, n) => (event.pos = n + 1));
    },
    /order: noderole 2 became TRANSITION .* while its parent 1 was TRANSITION/,
  ],
  ['the stream leaves an event out', (h) => void h.stream.ids.splice(4, 1), /stream: event number 4/],
  ['the stream gives an event twice', (h) => void h.stream.ids.splice(4, 0, h.stream.ids[4]), /stream: event number 5/],
  ['the stream ends early', (h) => void h.stream.ids.pop(), /stream: event number .* it was none/],
  ['the stream is reset', (h) => (h.stream.resets = 1), /stream: it was reset/],
  [
    'positions have a hole',
    (h) => {
      h.events.at(-1)!.pos = 99;
      h.stream.ids[h.stream.ids.length - 1] = '99.0';
    },
    /positions: 99 follows/,
  ],
  [
    'the engine had to repair itself',
    (h) => void h.events.push({ ...h.events[0], pos: h.events.length + 1, kind: 'alarm', data: { code: 'drift', message: 'm' } }),
    /alarm at pos .*: drift/,
  ],
  ['a run never ends', (h) => (h.runs[2].status = 'RUNNING'), /run 12 of noderole 2 is still RUNNING/],
  ['a slot is kept for ever', (h) => (h.runs[1].status = 'STOPPING'), /run 11 of noderole 2 is still STOPPING/],
  ['a wait is left', (h) => (h.left.waits = 1), /1 waits are left/],
  ['an event never gets its position', (h) => (h.left.unsequenced = 1), /1 unsequenced are left/],
  ['a TRANSITION without a live run', (h) => (h.noderoles[1].state = 'TRANSITION'), /noderole 2 .* is TRANSITION without a live run/],
  ['a log that came too late', (h) => void h.oddLogs.push({ run: 12, what: 'late' }), /log of run 12: late/],
  ['a counter drifts', (h) => (h.noderoles[1].pending = 1), /counter of noderole 2 .*: 1 is not 0/],
  ['a wall is lost', (h) => (h.noderoles[1].wall = '{}'), /lost wall of noderole 2/],
  ['a wall is overwritten by an older run', (h) => (h.noderoles[1].wall = '{"run": 11, "v": 2}'), /lost wall of noderole 2/],
  ['a confirmed noderole is lost', (h) => void h.bound.push(77), /lost noderole 77: the API had confirmed it/],
  ['a confirmed commit is lost', (h) => void h.commits.push({ id: 1, revision: 2 }), /revision 2 was confirmed, it has 1/],
  ['a revision is given twice', (h) => void h.commits.push({ id: 1, revision: 1 }), /a revision was given to two commits/],
  ['a commit has no event', (h) => (h.revisions[0].commits = 0), /0 commits are recorded/],
  ['one that should be ACTIVE is in ERROR', (h) => (h.told = []), /noderole 3 .* is ERROR \(told-to-fail\), it should be ACTIVE/],
  ['what stands below an ERROR is ACTIVE', (h) => void h.edges.push([BROKEN, CHILD]), /noderole 2 .* is ACTIVE, it should be BLOCKED/],
  ['a promise was broken while it went on', (h) => void h.seenLive.push('seen live: x'), /seen live: x/],
];

describe('the checker of the chaos', () => {
  it('finds nothing in a sound history', () => {
    expect(violations(sound())).toEqual([]);
  });

  it.each(doctored)('finds: %s', (_what, doctor, found) => {
    const history = sound();
    doctor(history);
    expect(violations(history).join('\n')).toMatch(found);
  });
});
