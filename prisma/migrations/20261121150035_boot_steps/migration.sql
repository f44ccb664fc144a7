-- Steps of machines that are no node: listed by MAC, and forgotten oldest first.
CREATE INDEX "boot_events_unknown_idx" ON "boot_events" ("id") WHERE "node_id" IS NULL;
