import { describe, it, expect } from '@jest/globals';
import { planScript } from '../../../../src/simulator/agent/script-plan.js';

const lines = (script: string, env = {}) => planScript(script, env, 0).steps.flatMap((step) => (step.kind === 'log' ? [step.text] : []));

describe('a simulated script', () => {
  it('prints what echo and comments say, with its environment', () => {
    expect(
      lines('#!/bin/sh\n# joins the cluster\necho "joining $PRYBAR_NODE as ${ROLE}" >> /tmp/log\necho \'done\'\nrm -rf /', {
        PRYBAR_NODE: 'n1',
        ROLE: 'worker',
      }),
    ).toEqual(['# joins the cluster', 'joining n1 as worker', 'done']);
  });

  it('shows that it ran when the script says nothing', () => {
    expect(lines('true\n')).toEqual(['simulated: 2 lines read, none executed', 'simulated: start', 'simulated: end']);
  });

  it('sleeps, publishes and exits where the directives say', () => {
    const plan = planScript('echo one\n# sim: sleep 0.5\necho two\n# sim: wall {"key":1}\n# sim: wall {"more":[2]}\n# sim: exit 3\necho never', {}, 9);
    expect(plan.exitStatus).toBe(3);
    expect(plan.wall).toEqual({ key: 1, more: [2] });
    expect(plan.steps.filter((step) => step.kind === 'sleep')).toEqual([{ kind: 'sleep', seconds: 0.5 }]);
    expect(plan.steps).not.toContainEqual({ kind: 'log', text: 'never' });
  });

  it('spreads its lines over the given time when it does not sleep itself', () => {
    const plan = planScript('echo 1\necho 2\necho 3', {}, 0.3);
    expect(plan.steps.map((step) => (step.kind === 'log' ? step.text : step.seconds))).toEqual(['1', 0.15, '2', 0.15, '3']);
  });

  it('shows a directive it cannot read and goes on', () => {
    const plan = planScript('# sim: wall {oops', {}, 0);
    expect(plan.wall).toBeUndefined();
    expect(plan.steps).toContainEqual({ kind: 'log', text: '# sim: wall needs a JSON object: {oops' });
  });

  it.each([
    ['# sim: sleep 1e9', 3_600],
    ['# sim: sleep -4', 0],
    ['# sim: sleep soon', 0],
  ])('bounds %s to %d s', (script, seconds) => {
    expect(planScript(script, {}, 0).steps).toContainEqual({ kind: 'sleep', seconds });
  });

  it('prints at most 60 lines and says how many it left out', () => {
    const printed = lines('echo x\n'.repeat(100));
    expect(printed).toHaveLength(61);
    expect(printed.at(-1)).toBe('simulated: 40 more lines');
  });
});
