import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { planBinding, type BindableRole, type BindPlan, type BindSnapshot, type BoundNodeRole } from '../../../src/noderoles/bind-plan.js';

type Some = { requires?: string[]; flags?: string[]; provides?: string[]; conflicts?: string[] };

const NODES = [1, 2, 3];
const PHANTOM = 90;

/** Deployment 10 below 11; nodes 1 to 3; a phantom for 10. */
function snapshot(roles: Record<string, Some>, onNodes: BoundNodeRole[] = []): BindSnapshot {
  const all = { ...roles };
  for (const [name, role] of Object.entries(roles)) if (role.flags?.includes('cluster')) all[`barrier-${name}`] = { flags: ['service'] };
  const map = new Map<string, BindableRole>(
    Object.entries(all).map(([name, role], index) => [
      name,
      {
        id: index + 1,
        name,
        flags: role.flags ?? [],
        requires: role.requires ?? [],
        provides: role.provides ?? [],
        conflicts: role.conflicts ?? [],
        quorum: null,
      },
    ]),
  );
  return {
    roles: map,
    onNodes,
    nearest: onNodes,
    lineage: new Map([[10, [10, 11]]]),
    nodeNames: new Map(NODES.map((id) => [id, `n${id}`])),
    phantoms: new Map([[10, PHANTOM]]),
  };
}
const wish = (role: string, nodeId = 1) => ({ role, nodeId, deploymentId: 10 });
const made = (plan: BindPlan) => plan.creates.map((create) => `${create.role.name}@${create.nodeId}`);

describe('what a binding makes', () => {
  it('what is bound already is answered as it is', () => {
    const plan = planBinding(snapshot({ a: {} }, [{ id: 5, role: 'a', nodeId: 1, deploymentId: 10 }]), [wish('a')]);
    expect(plan).toEqual({ creates: [], joins: [], answers: [5] });
  });

  it('missing requirements are made on the same node, parents first', () => {
    const plan = planBinding(snapshot({ a: {}, b: { requires: ['a'] }, c: { requires: ['b', 'a'] } }), [wish('c')]);
    expect(made(plan)).toEqual(['a@1', 'b@1', 'c@1']);
    expect(plan.creates[2]?.parents).toEqual([-2, -1]);
  });

  it('a requirement is looked for on the node, then in the deployment, then above it, the lowest id first', () => {
    const roles = { a: {}, b: { requires: ['a'] } };
    const above = { id: 4, role: 'a', nodeId: 3, deploymentId: 11 };
    const near = { id: 7, role: 'a', nodeId: 2, deploymentId: 10 };
    const here = { id: 9, role: 'a', nodeId: 1, deploymentId: 11 };
    expect(planBinding(snapshot(roles, [above]), [wish('b')]).creates[0]?.parents).toEqual([4]);
    expect(planBinding(snapshot(roles, [above, near]), [wish('b')]).creates[0]?.parents).toEqual([7]);
    expect(planBinding(snapshot(roles, [above, near, here]), [wish('b')]).creates[0]?.parents).toEqual([9]);
  });

  it('an implicit requirement is never borrowed from another node', () => {
    const plan = planBinding(snapshot({ a: { flags: ['implicit'] }, b: { requires: ['a'] } }, [{ id: 7, role: 'a', nodeId: 2, deploymentId: 10 }]), [
      wish('b'),
    ]);
    expect(made(plan)).toEqual(['a@1', 'b@1']);
  });

  it('a role that provides the requirement answers for it', () => {
    const plan = planBinding(snapshot({ a: {}, mine: { provides: ['a'] }, b: { requires: ['a'] } }, [{ id: 7, role: 'mine', nodeId: 1, deploymentId: 10 }]), [
      wish('b'),
    ]);
    expect(plan.creates[0]?.parents).toEqual([7]);
  });

  it('a service is made on the phantom node of the deployment', () =>
    expect(made(planBinding(snapshot({ dns: { flags: ['service'] }, b: { requires: ['dns'] } }), [wish('b')]))).toEqual([`dns@${PHANTOM}`, 'b@1']));

  it('members of a cluster meet in one barrier, whoever comes first', () => {
    const plan = planBinding(snapshot({ peer: { flags: ['cluster'] }, app: { requires: ['peer'] } }), [wish('app', 1), wish('peer', 2), wish('peer', 3)]);
    expect(made(plan)).toEqual(['peer@1', `barrier-peer@${PHANTOM}`, 'app@1', 'peer@2', 'peer@3']);
    expect(plan.creates[1]?.parents).toEqual([-1, -4, -5]);
    expect(plan.creates[2]?.parents).toEqual([-2]);
  });

  it('a later member joins the barrier that exists', () => {
    const plan = planBinding(snapshot({ peer: { flags: ['cluster'] } }, [{ id: 8, role: 'barrier-peer', nodeId: PHANTOM, deploymentId: 10 }]), [
      wish('peer', 2),
    ]);
    expect(plan.joins).toEqual([{ barrier: 8, member: -1 }]);
  });

  it.each([
    ['a role that does not exist', { b: { requires: ['gone'] } }, /requires role 'gone', which does not exist/],
    ['an abstract role', { b: { flags: ['abstract'] } }, /abstract: bind a role that provides it/],
    ['roles that require each other', { a: { requires: ['b'] }, b: { requires: ['a'] } }, /require each other: b -> a -> b/],
    ['a role that excludes its own requirement', { a: {}, b: { requires: ['a'], conflicts: ['a'] } }, /cannot be on node 'n1' together with 'a'/],
  ] as [string, Record<string, Some>, RegExp][])('%s is refused', (_, roles, message) =>
    expect(() => planBinding(snapshot(roles), [wish('b')])).toThrow(message),
  );

  it('10,000 requirements in a chain do not overflow the stack', () => {
    const roles: Record<string, Some> = {};
    for (let n = 0; n < 10_000; n++) roles[`r${n}`] = n === 0 ? {} : { requires: [`r${n - 1}`] };
    const plan = planBinding(snapshot(roles), [wish('r9999')]);
    expect(plan.creates).toHaveLength(10_000);
    expect(plan.creates.at(-1)?.role.name).toBe('r9999');
  });
});

describe('any graph of roles', () => {
  const graph = fc.integer({ min: 2, max: 9 }).chain((count) =>
    fc.tuple(
      ...Array.from({ length: count }, (_, index) =>
        fc.record({
          requires: index === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.nat(index - 1), { maxLength: 3 }),
          flag: fc.constantFrom('', '', 'implicit', 'cluster', 'service'),
        }),
      ),
    ),
  );
  const rolesOf = (spec: { requires: number[]; flag: string }[]) =>
    Object.fromEntries(
      spec.map((role, index) => [`r${index}`, { requires: role.requires.map((parent) => `r${parent}`), flags: role.flag === '' ? [] : [role.flag] }]),
    );
  const wishesOf = (picks: [number, number][], count: number) => picks.map(([role, node]) => wish(`r${role % count}`, (node % 3) + 1));

  it('is bound with every requirement answered once, nothing twice on a node, parents before their children', () => {
    fc.assert(
      fc.property(graph, fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 6 }), (spec, picks) => {
        const given = snapshot(rolesOf(spec));
        const plan = planBinding(given, wishesOf(picks, spec.length));
        expect(new Set(made(plan)).size).toBe(plan.creates.length);
        plan.creates.forEach((create, index) => {
          if (create.barrier) return;
          const answers = create.parents.map((ref) => plan.creates[-ref - 1]);
          for (const required of create.role.requires) {
            const name = given.roles.get(required)?.flags.includes('cluster') ? `barrier-${required}` : required;
            expect(answers.filter((answer) => answer?.role.name === name)).toHaveLength(1);
          }
          for (const ref of create.parents) expect(-ref - 1).toBeLessThan(index);
        });
      }),
    );
  });

  it('is bound the same whether asked once or twice', () => {
    fc.assert(
      fc.property(graph, fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 5 }), (spec, picks) => {
        const wishes = wishesOf(picks, spec.length);
        const once = planBinding(snapshot(rolesOf(spec)), wishes);
        const twice = planBinding(snapshot(rolesOf(spec)), [...wishes, ...wishes]);
        expect(made(twice)).toEqual(made(once));
        expect(twice.answers.slice(wishes.length)).toEqual(twice.answers.slice(0, wishes.length));
      }),
    );
  });
});
