-- Transfers of boot files as the boot servers report them each second: the servers are other processes than the API. A row outlives its transfer for an hour.
CREATE TABLE "boot_transfers" (
  "id" BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- The process, and the number the transfer has in it.
  "server" TEXT NOT NULL,
  "local_id" INTEGER NOT NULL,
  "protocol" TEXT NOT NULL CHECK ("protocol" IN ('tftp', 'http')),
  "address" TEXT NOT NULL,
  "mac" TEXT,
  "file" TEXT NOT NULL,
  "size_bytes" BIGINT NOT NULL,
  "bytes" BIGINT NOT NULL,
  "bytes_per_second" BIGINT NOT NULL,
  "retransmits" INTEGER NOT NULL,
  "block_bytes" INTEGER,
  "window_blocks" INTEGER,
  "state" TEXT NOT NULL CHECK ("state" IN ('running', 'done', 'timeout', 'aborted', 'failed')),
  "reason" TEXT NOT NULL DEFAULT '',
  "started_at" TIMESTAMPTZ(3) NOT NULL,
  "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  "ended_at" TIMESTAMPTZ(3)
);
CREATE UNIQUE INDEX "boot_transfers_server_local_id_key" ON "boot_transfers" ("server", "local_id");
-- For what is forgotten.
CREATE INDEX "boot_transfers_updated_at_idx" ON "boot_transfers" ("updated_at");
CREATE INDEX "boot_transfers_mac_idx" ON "boot_transfers" ("mac");
