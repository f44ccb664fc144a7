-- Servers of the site that Prybar drives instead of its own: dnsmasq, ISC dhcpd, links for pxelinux. A row each, because they
-- answer from their files while nobody drives them: their word counts until an operator takes them out (nodes/served-rule.ts).
CREATE TABLE "external_servers" (
  "name" TEXT PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "host" TEXT NOT NULL,
  "network_names" TEXT[] NOT NULL DEFAULT '{}',
  "networks" INTEGER[] NOT NULL DEFAULT '{}',
  "driver" UUID,
  "driven_until" TIMESTAMPTZ(3) NOT NULL DEFAULT '-infinity',
  "served_revision" BIGINT NOT NULL DEFAULT 0,
  "problem" TEXT,
  "problem_since" TIMESTAMPTZ(3),
  "hosts" INTEGER NOT NULL DEFAULT 0,
  "writes" BIGINT NOT NULL DEFAULT 0,
  "served_at" TIMESTAMPTZ(3),
  CONSTRAINT "external_servers_kind" CHECK ("kind" IN ('dnsmasq', 'isc-dhcpd', 'isc-omapi', 'pxelinux'))
);
