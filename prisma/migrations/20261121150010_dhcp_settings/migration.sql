-- What an operator says of DHCP beyond addresses. Columns of `networks` and not tables of their own: they are read together,
-- change together and are meaningless without their network; schema.prisma says what each holds.
ALTER TABLE "networks"
  ALTER COLUMN "dns" SET DEFAULT '{}',
  ADD COLUMN "identify_by" TEXT NOT NULL DEFAULT 'mac',
  ADD COLUMN "min_secs" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "server_identifier" TEXT,
  ADD COLUMN "boot_host" TEXT,
  ADD COLUMN "unknown_quota" INTEGER,
  ADD COLUMN "quiet_ra" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "relays" TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN "relay_modes" JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN "options" JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN "vendor_options" JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN "port_reservations" JSONB NOT NULL DEFAULT '[]';
UPDATE "networks" SET "dns" = '{}' WHERE "dns" IS NULL;
ALTER TABLE "networks"
  ADD CONSTRAINT "networks_dhcp_mode" CHECK ("dhcp_mode" IN ('authoritative', 'reservations', 'proxy', 'off')),
  ADD CONSTRAINT "networks_identify_by" CHECK ("identify_by" IN ('mac', 'client-id')),
  ADD CONSTRAINT "networks_min_secs" CHECK ("min_secs" BETWEEN 0 AND 65535),
  ADD CONSTRAINT "networks_unknown_quota" CHECK ("unknown_quota" >= 0);

-- An address that is recorded and never served (netboot rule 8), and the name of a machine that is no node (a BMC).
ALTER TABLE "reservations"
  ADD COLUMN "unmanaged" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "hostname" TEXT;

-- Options of one node; the role dhcp-database copies them into its entries.
ALTER TABLE "nodes" ADD COLUMN "dhcp_options" JSONB NOT NULL DEFAULT '{}';

-- Where a network identifies clients by option 61, a lease belongs to that identifier and not to the MAC.
ALTER TABLE "leases" ADD COLUMN "client_key" TEXT;
DROP INDEX "leases_one_active_per_mac";
CREATE UNIQUE INDEX "leases_one_active_per_client" ON "leases" ("network_id", coalesce("client_key", "mac")) WHERE "state" = 'active';
