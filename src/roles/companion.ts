/**
 * The barrier of a cluster role (engine-rules 24): a role that is ACTIVE while enough members of its cluster are. Nobody
 * writes it: it comes and goes with the cluster role. PURE.
 */
import { columnsOf, type RoleColumns } from './columns.js';
import { COMPANION_PREFIX, roleFields, type RoleDefinition } from './role.js';

/** `jig_config` of a companion: whose barrier it is, and how many ACTIVE members open it (null: all). */
export type CompanionConfig = { barrier_of: string; quorum: number | null };

/** The row of the companion of a cluster role, null for any other role. */
export function companionOf(role: RoleDefinition, barclamp: string): RoleColumns | null {
  if (!role.flags.includes('cluster')) return null;
  const quorum = role.barrier === 'all' ? null : role.barrier.quorum;
  const jig_config: CompanionConfig = { barrier_of: role.name, quorum };
  const companion = roleFields.parse({
    name: `${COMPANION_PREFIX}${role.name}`,
    description: `Opens when ${quorum === null ? 'every member' : `${quorum} members`} of ${role.name} ${quorum === null ? 'is' : 'are'} ACTIVE.`,
    jig: 'role-provided',
    flags: ['service'],
    jig_config,
  });
  return { ...columnsOf(companion, barclamp), definition: null };
}
