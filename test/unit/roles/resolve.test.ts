import { describe, expect, it } from '@jest/globals';
import { resolveRoles, type ResolveOptions } from '../../../src/roles/resolve.js';
import { roleFields, type RoleDefinition } from '../../../src/roles/role.js';
import { AppError } from '../../../src/shared/errors.js';

const role = (name: string, more: Record<string, unknown> = {}): RoleDefinition => roleFields.parse({ name, jig: 'noop', ...more });
const all = (roles: RoleDefinition[], more: Partial<ResolveOptions> = {}) =>
  resolveRoles(roles, { imported: new Set(roles.map(({ name }) => name)), removed: new Set(), allowDangling: false, ...more });
const requiresOf = (roles: RoleDefinition[]) => Object.fromEntries([...all(roles).roles].map(([name, resolved]) => [name, resolved.requires]));

function refusal(roles: RoleDefinition[], more: Partial<ResolveOptions> = {}): AppError {
  try {
    all(roles, more);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('requirements', () => {
  it('come from requires, from what attaches, and from whose attrib is wanted', () =>
    expect(
      requiresOf([
        role('app', { requires: ['os'], wants_attribs: ['port'] }),
        role('os'),
        role('agent', { attaches: ['app'] }),
        role('database', { attribs: [{ name: 'port' }] }),
      ]),
    ).toEqual({ app: ['agent', 'database', 'os'], os: [], agent: [], database: [] }));

  it('do not come from an attrib of its own, nor from one that is the node’s, which is told', () => {
    const { roles, warnings } = all([role('app', { attribs: [{ name: 'port' }], wants_attribs: ['port', 'ram'] })]);
    expect(roles.get('app')?.requires).toEqual([]);
    expect(roles.get('app')?.wants).toEqual([
      { name: 'port', at: 'port', role: 'app' },
      { name: 'ram', at: 'ram', role: null },
    ]);
    expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining("'ram'")]);
  });

  it('tell apart attribs of one name by the role before the slash, or by what is required', () => {
    const two = [role('a', { attribs: [{ name: 'port' }] }), role('b', { attribs: [{ name: 'port' }] })];
    expect(all([...two, role('app', { wants_attribs: [{ name: 'b/port', at: 'db.port' }] })]).roles.get('app')).toMatchObject({
      requires: ['b'],
      wants: [{ name: 'port', at: 'db.port', role: 'b' }],
    });
    expect(all([...two, role('app', { requires: ['a'], wants_attribs: ['port'] })]).roles.get('app')?.requires).toEqual(['a']);
    expect(refusal([...two, role('app', { wants_attribs: ['port'] })])).toMatchObject({
      code: 'attrib-ambiguous',
      message: expect.stringContaining('a/port, b/port'),
    });
    expect(refusal([...two, role('app', { wants_attribs: ['a/user'] })]).message).toContain("declares no 'user'");
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['requires', { requires: ['gone'] }, "role 'app' requires 'gone', which does not exist"],
    ['attaches to', { attaches: ['gone'] }, "role 'app' attaches to 'gone', which does not exist"],
    ['wants an attrib of', { wants_attribs: ['gone/port'] }, "role 'app' wants attrib gone/port of role 'gone', which does not exist"],
  ])('on a role that does not exist are refused, when it %s it', (_how, more, words) => {
    expect(refusal([role('app', more)])).toMatchObject({ code: 'role-dangling', message: words });
    const { warnings } = all([role('app', more)], { allowDangling: true });
    expect(warnings.map(({ message }) => message)).toEqual([`${words} yet`]);
  });

  it('that are nearly the name of another role say so', () =>
    expect(refusal([role('aplication'), role('app', { requires: ['application'] })]).message).toBe(
      "role 'app' requires 'application', which does not exist (the nearest is 'aplication')",
    ));

  it('that dangled before do not stand in the way of another import, those that it cuts do', () => {
    const roles = [role('app', { requires: ['gone'] }), role('other')];
    expect(all(roles, { imported: new Set(['other']) }).roles.size).toBe(2);
    expect(refusal(roles, { imported: new Set(['other']), removed: new Set(['gone']) }).code).toBe('role-dangling');
  });

  it('in a circle are refused with the circle, whichever way they came about', () => {
    const circle = [
      role('a', { requires: ['b'] }),
      role('b', { wants_attribs: ['x'] }),
      role('c', { attribs: [{ name: 'x' }] }),
      role('x', { requires: ['a'], attaches: ['c'] }),
    ];
    expect(refusal(circle)).toMatchObject({ code: 'role-cycle', message: 'roles require each other: a -> b -> c -> x -> a' });
  });

  it('name the ends of a circle that nobody would read whole', () => {
    const circle = Array.from({ length: 10_000 }, (_, index) => role(`r${index}`, { requires: [`r${(index + 1) % 10_000}`] }));
    const error = refusal(circle);
    expect(error.message).toMatch(/^roles require each other: r0 -> r1 .*9981 more.* -> r9999 -> r0$/);
    expect(error.message.length).toBeLessThan(400);
  });

  it('on an implicit role that may not be on the same node are refused', () =>
    expect(refusal([role('app', { requires: ['base'] }), role('base', { flags: ['implicit'], conflicts: ['app'] })])).toMatchObject({ code: 'role-conflict' }));
});

describe('soft order', () => {
  it('puts a role after those that precede it, on the node or in the deployment, and draws none of them in', () => {
    const { roles } = all([role('a', { precedes: ['c'] }), role('b', { precedes: [{ role: 'c', scope: 'deployment' }] }), role('c')]);
    expect(roles.get('c')).toEqual({ requires: [], wants: [], softAfter: { node: ['a'], deployment: ['b'] }, cohort: 1 });
  });

  it('goes for all that provide an abstract role', () =>
    expect(
      all([role('a', { precedes: ['db'] }), role('db', { flags: ['abstract'] }), role('pg', { provides: ['db'] })]).roles.get('pg')?.softAfter.node,
    ).toEqual(['a']));

  it('waits for a successor that does not exist yet, and says so', () => {
    const { warnings } = all([role('a', { precedes: ['later'] })]);
    expect(warnings).toEqual([{ role: 'a', message: expect.stringContaining("'later'") }]);
  });

  it('against a hard path is refused with the path', () => {
    const error = refusal([role('a', { requires: ['b'], precedes: ['c'] }), role('b', { requires: ['c'] }), role('c')]);
    expect(error).toMatchObject({ code: 'role-soft-order', message: 'a soft order goes against the others: a requires b, b requires c, a precedes c' });
  });

  it('against another soft order is refused, whatever their scope: each would wait for the other', () =>
    expect(refusal([role('a', { precedes: ['b'] }), role('b', { precedes: [{ role: 'a', scope: 'deployment' }] })])).toMatchObject({
      code: 'role-soft-order',
    }));
});

describe('an abstract role', () => {
  it('that nobody provides is told, not refused', () => {
    expect(all([role('db', { flags: ['abstract'] })]).warnings).toHaveLength(1);
    expect(all([role('db', { flags: ['abstract'] }), role('pg', { provides: ['db'] })]).warnings).toEqual([]);
  });
});

describe('rule 7: a role that confirms what machines boot', () => {
  const waiting = role('installer', { flags: ['waits-for-served'] });

  it('may not depend on one that waits for that, however far above, and the path is told', () => {
    const refused = refusal([role('dhcp', { flags: ['confirms-served'], requires: ['store'] }), role('store', { requires: ['installer'] }), waiting]);
    expect(refused).toMatchObject({ code: 'served-circle', status: 409, details: { path: ['dhcp', 'store', 'installer'] } });
    expect(refused.message).toContain('dhcp -> store -> installer');
    expect(refusal([role('dns', { flags: ['confirms-served', 'waits-for-served'] })]).code).toBe('served-circle');
  });

  it('may have parents that do not wait, and children that do', () => {
    const roles = [
      role('dhcp', { flags: ['confirms-served'], requires: ['store'] }),
      role('store'),
      role('installer', { flags: ['waits-for-served'], requires: ['dhcp'] }),
    ];
    expect(all(roles).roles.get('installer')?.requires).toEqual(['dhcp']);
  });
});
