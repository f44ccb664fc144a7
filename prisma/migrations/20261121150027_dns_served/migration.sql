-- "Served" asks for the last change of one node's names.
CREATE INDEX "dns_changes_allocation_id_idx" ON "dns_changes" ("allocation_id");
