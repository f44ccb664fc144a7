/** The endpoints of what machines boot from: networks, DHCP, DNS, files, boots as they were seen. */
import { bootAuthoritySchema, transferSchema, type TransferQuery } from '../api/transfer-schemas.js';
import { bootDoctorSchema, bootTimelineSchema, unknownMachineSchema, type BootTimelineQuery, type UnknownQuery } from '../api/boot-schemas.js';
import { dhcpExplainedSchema, reactionSchema, type DhcpAsk, type DhcpExplain } from '../api/dhcp-ask-schemas.js';
import { dhcpImportedSchema, type DhcpImport } from '../api/dhcp-import-schemas.js';
import * as d from '../api/dns-schemas.js';
import { externalServerListSchema, snippetSchema, type ExternalServerQuery, type SnippetServerName } from '../api/external-schemas.js';
import * as net from '../api/network-schemas.js';
import * as s from '../api/schemas.js';
import type { CallOptions } from './request.js';
import { segment, type Key, type PageQuery, type Verbs } from './verbs.js';

/** Part of the client (client.ts). */
export function bootServices({ get, write, remove }: Verbs) {
  return {
    boot: {
      /** The authority of HTTPS boot. */
      authority: (call?: CallOptions) => get('/boot/ca', bootAuthoritySchema, call),
      /** Files on their way to machines, and those of the last hour. */
      transfers: (query?: TransferQuery, call?: CallOptions) => get('/boot/transfers', s.pageOf(transferSchema), call, query),
      /** Machines that were heard and are no node. */
      unknown: (query?: UnknownQuery, call?: CallOptions) => get('/boot/unknown', s.pageOf(unknownMachineSchema), call, query),
      /** The timeline of a MAC, node or not. */
      doctor: (mac: string, call?: CallOptions) => get(`/boot/unknown/${segment(mac)}/doctor`, bootDoctorSchema, call),
      timeline: (mac: string, query?: BootTimelineQuery, call?: CallOptions) => get(`/boot/unknown/${segment(mac)}`, bootTimelineSchema, call, query),
    },
    dhcp: {
      /** What we would answer to a client; nothing is promised. */
      ask: (body: DhcpAsk, call?: CallOptions) => write('POST', '/dhcp/ask', reactionSchema, body, call),
      /** Takes over the reservations and leases of another server; `applied` tells whether it was written. */
      import: (body: DhcpImport, call?: CallOptions) => write('POST', '/dhcp/import', dhcpImportedSchema, body, call),
      explain: (body: DhcpExplain, call?: CallOptions) => write('POST', '/dhcp/explain', dhcpExplainedSchema, body, call),
    },
    networks: {
      list: (query?: net.NetworkListQuery, call?: CallOptions) => get('/networks', s.pageOf(net.networkSchema), call, query),
      get: (key: Key, call?: CallOptions) => get(`/networks/${segment(key)}`, net.networkSchema, call),
      create: (body: net.NetworkCreate, call?: CallOptions) => write('POST', '/networks', net.networkSchema, body, call),
      update: (key: Key, body: net.NetworkPatch, call?: CallOptions) => write('PATCH', `/networks/${segment(key)}`, net.networkSchema, body, call),
      remove: (key: Key, query?: net.NetworkDeleteQuery, call?: CallOptions) => remove(`/networks/${segment(key)}`, call, query),
    },
    allocations: {
      list: (query?: net.AllocationListQuery, call?: CallOptions) => get('/allocations', s.pageOf(net.allocationSchema), call, query),
      create: (body: net.AllocationCreate, call?: CallOptions) => write('POST', '/allocations', net.allocationSchema, body, call),
      remove: (id: number, call?: CallOptions) => remove(`/allocations/${segment(id)}`, call),
    },
    leases: {
      list: (query?: net.LeaseListQuery, call?: CallOptions) => get('/leases', s.pageOf(net.leaseSchema), call, query),
      release: (address: string, call?: CallOptions) => remove(`/leases/${segment(address)}`, call),
    },
    dns: {
      zones: (call?: CallOptions) => get('/dns/zones', d.zoneListSchema, call),
      zoneFile: (name: string, call?: CallOptions) => get(`/dns/zones/${segment(name)}/file`, d.zoneFileSchema, call),
      putZone: (name: string, body: d.ZonePut, call?: CallOptions) => write('PUT', `/dns/zones/${segment(name)}`, d.zoneSchema, body, call),
      removeZone: (name: string, call?: CallOptions) => remove(`/dns/zones/${segment(name)}`, call),
      records: (query?: d.RecordListQuery, call?: CallOptions) => get('/dns/records', s.pageOf(d.recordSchema), call, query),
      createRecord: (body: d.RecordCreate, call?: CallOptions) => write('POST', '/dns/records', d.recordSchema, body, call),
      removeRecord: (id: number, call?: CallOptions) => remove(`/dns/records/${segment(id)}`, call),
    },
    externalServers: {
      list: (query?: ExternalServerQuery, call?: CallOptions) => get('/external-servers', externalServerListSchema, call, query),
      remove: (name: string, call?: CallOptions) => remove(`/external-servers/${segment(name)}`, call),
      snippet: (server: SnippetServerName, call?: CallOptions) => get(`/dhcp-snippets/${segment(server)}`, snippetSchema, call),
    },
    bootenvs: {
      list: (query?: PageQuery, call?: CallOptions) => get('/bootenvs', s.pageOf(s.bootenvSchema), call, query),
      get: (name: string, call?: CallOptions) => get(`/bootenvs/${segment(name)}`, s.bootenvSchema, call),
      preview: (name: string, query: { node: string }, call?: CallOptions) => get(`/bootenvs/${segment(name)}/preview`, s.bootenvPreviewSchema, call, query),
    },
  };
}
