/** Shapes of DHCP and TFTP servers of the site, and of what is added to their configuration. */
import { z } from 'zod';

export const externalServerSchema = z.object({
  name: z.string(),
  kind: z.string().describe('dnsmasq, isc-dhcpd, isc-omapi or pxelinux'),
  host: z.string().describe('the machine whose external.yml names it'),
  networks: z.array(z.string()).describe('names as external.yml says them; empty: all'),
  driven: z.boolean().describe('whether a Prybar on that machine looks after it now'),
  served_revision: z.int(),
  revision: z.int().describe('of the DHCP table: what it should serve'),
  problem: z.string().nullable(),
  problem_since: z.string().nullable(),
  hosts: z.int(),
  writes: z.int().describe('files written, links changed, hosts changed over OMAPI'),
  served_at: z.string().nullable(),
});
export type ExternalServer = z.infer<typeof externalServerSchema>;

export const externalServerListSchema = z.object({ items: z.array(externalServerSchema), total: z.int() });

export const externalServerQuerySchema = z.strictObject({ problem: z.stringbool().optional().describe('only those with a problem, or only those without') });
export type ExternalServerQuery = z.input<typeof externalServerQuerySchema>;

export const externalServerNameSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'small letters, digits and dashes');

export const snippetServerSchema = z.enum(['dnsmasq', 'isc', 'kea', 'dnsmasq-driven', 'isc-driven', 'isc-omapi']);
export type SnippetServerName = z.infer<typeof snippetServerSchema>;

export const snippetSchema = z.object({
  server: snippetServerSchema,
  text: z.string().describe('to add to the configuration of the server'),
  external_yml: z.string().nullable().describe('to add to external.yml of Prybar; null where Prybar drives nothing'),
  notes: z.array(z.string()).describe('what keeps it from working as this installation is'),
});
