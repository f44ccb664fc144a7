-- What a network is beyond its addresses (engine.md 1.6): whose it is, which ports carry it, how its hosts are called.
ALTER TABLE "networks"
  ADD COLUMN "description" TEXT NOT NULL DEFAULT '',
  ADD COLUMN "deployment_id" INTEGER REFERENCES "deployments"("id") ON DELETE SET NULL ON UPDATE CASCADE,
  ADD COLUMN "group_name" TEXT NOT NULL DEFAULT 'default',
  ADD COLUMN "vlan" INTEGER,
  ADD COLUMN "conduit" TEXT,
  ADD COLUMN "team_mode" INTEGER,
  ADD COLUMN "bridge" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "suffix" TEXT,
  ADD COLUMN "name_template" TEXT,
  ADD COLUMN "configure" BOOLEAN NOT NULL DEFAULT true,
  ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "networks"
  ADD CONSTRAINT "networks_vlan" CHECK ("vlan" BETWEEN 1 AND 4094),
  ADD CONSTRAINT "networks_team_mode" CHECK ("team_mode" BETWEEN 0 AND 6),
  ADD CONSTRAINT "networks_suffix" CHECK ("suffix" ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$');
ALTER TABLE "network_ranges" ADD COLUMN "conduit" TEXT, ADD COLUMN "vlan" INTEGER;
ALTER TABLE "network_ranges" ADD CONSTRAINT "network_ranges_vlan" CHECK ("vlan" BETWEEN 1 AND 4094);

-- Several routers with a preference, the lowest first; networks.router stays the first of them, which DHCP gives.
CREATE TABLE "network_routers" (
  "network_id" INTEGER NOT NULL REFERENCES "networks"("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "address" TEXT NOT NULL,
  "pref" INTEGER NOT NULL DEFAULT 100,
  PRIMARY KEY ("network_id", "address")
);
INSERT INTO "network_routers" ("network_id", "address") SELECT "id", "router" FROM "networks" WHERE "router" IS NOT NULL;

-- An address may be recorded before anybody knows whose MAC it is (netboot rule 8).
ALTER TABLE "reservations" ALTER COLUMN "mac" DROP NOT NULL;
