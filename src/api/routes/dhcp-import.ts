/** `/dhcp/import`: takes over the reservations and leases of a server that Prybar replaces. */
import type { Db } from '../../db/client.js';
import { detectFormat, readForeign } from '../../interchange/import/read.js';
import { importHosts } from '../../networks/import.js';
import type { ImportAction, ImportPlan } from '../../networks/import-plan.js';
import { ValidationError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import { dhcpImportedSchema, dhcpImportSchema, IMPORT_FORMATS, type DhcpImported } from '../dhcp-import-schemas.js';
import { referencedNetwork } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';

export function dhcpImportRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/dhcp/import',
      scope: 'operator',
      tag: 'dhcp',
      summary: 'Take over the reservations and leases of ISC dhcpd, dnsmasq or Kea: all of a file, or nothing',
      body: dhcpImportSchema,
      answer: dhcpImportedSchema,
      async handle({ body, actor }) {
        const format = body.format ?? detectFormat(body.text);
        if (format === undefined) {
          const message = `this looks like none of them; name the format: ${IMPORT_FORMATS.join(', ')}`;
          throw new ValidationError(`format: ${message}`, [{ field: 'format', message }]);
        }
        const found = readForeign(body.text, format);
        const done = await importHosts(db, {
          hosts: found.hosts,
          subnets: found.subnets,
          networkId: body.network === undefined ? null : await referencedNetwork(db, body.network),
          withLeases: body.leases,
          dryRun: body.dry_run,
          skipProblems: body.skip_problems,
          isBlocked: found.problems.some(({ blocking }) => blocking),
        });
        const counts = countsOf(done.steps);
        if (done.applied) await writeAudit(db, { actor: actor.name, action: 'dhcp.import', target: `dhcp/${format}`, detail: counts });
        return {
          format,
          applied: done.applied,
          counts,
          items: done.steps.map(({ networkId: _network, nodeId: _node, expiresAt: _ends, ...item }) => item),
          problems: [...found.problems, ...done.problems].sort((a, b) => a.line - b.line),
        };
      },
    }),
  ];
}

function countsOf(steps: ImportPlan['steps']): DhcpImported['counts'] {
  const count = (action: ImportAction, kind?: 'reservation' | 'lease'): number =>
    steps.filter((step) => step.action === action && (kind === undefined || step.kind === kind)).length;
  return {
    reservations: count('create', 'reservation'),
    leases: count('create', 'lease'),
    exists: count('exists'),
    ended: count('ended'),
    skipped: count('skipped'),
  };
}
