-- The first model (DESIGN sections 1 to 6). Generated from schema.prisma; the invariants Prisma cannot say follow at the end.

-- CreateEnum
CREATE TYPE "node_role_state" AS ENUM ('PROPOSED', 'BLOCKED', 'TODO', 'TRANSITION', 'ACTIVE', 'ERROR');

-- CreateEnum
CREATE TYPE "run_status" AS ENUM ('QUEUED', 'RUNNING', 'WAITING', 'WAKING', 'STOPPING', 'ENDED');

-- CreateEnum
CREATE TYPE "run_outcome" AS ENUM ('succeeded', 'skipped', 'failed', 'retryable', 'cancelled', 'superseded', 'node-rebooted', 'node-lost', 'lease-lost', 'internal-error');

-- CreateEnum
CREATE TYPE "boot_class" AS ENUM ('discovery', 'installer', 'installed', 'maintenance');

-- CreateEnum
CREATE TYPE "install_status" AS ENUM ('armed', 'fetched', 'wiping', 'completed', 'unknown', 'abandoned');

-- CreateTable
CREATE TABLE "deployments" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "parent_id" INTEGER,
    "system" BOOLEAN NOT NULL DEFAULT false,
    "committed_at" TIMESTAMPTZ(3),
    "paused_at" TIMESTAMPTZ(3),
    "revision" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deployments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "roles" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "barclamp" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "jig" TEXT NOT NULL,
    "flags" TEXT[],
    "provides" TEXT[],
    "conflicts" TEXT[],
    "template" JSONB NOT NULL DEFAULT '{}',
    "attribs" JSONB NOT NULL DEFAULT '[]',
    "wants" JSONB NOT NULL DEFAULT '[]',
    "jig_config" JSONB NOT NULL DEFAULT '{}',
    "job_class" TEXT NOT NULL DEFAULT 'fast',
    "timeout_seconds" INTEGER NOT NULL DEFAULT 3600,
    "max_attempts" INTEGER NOT NULL DEFAULT 3,
    "backoff_seconds" INTEGER NOT NULL DEFAULT 5,
    "runs_in" TEXT NOT NULL DEFAULT 'any',
    "validity" TEXT NOT NULL DEFAULT 'always',
    "on_parent_error" TEXT NOT NULL DEFAULT 'block',
    "cohort" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "roles_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "role_requires" (
    "role_id" INTEGER NOT NULL,
    "requires" TEXT NOT NULL,

    CONSTRAINT "role_requires_pkey" PRIMARY KEY ("role_id","requires")
);

-- CreateTable
CREATE TABLE "deployment_roles" (
    "id" SERIAL NOT NULL,
    "deployment_id" INTEGER NOT NULL,
    "role_id" INTEGER NOT NULL,
    "proposed_data" JSONB,
    "committed_data" JSONB NOT NULL DEFAULT '{}',
    "wall" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "deployment_roles_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "nodes" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "deployment_id" INTEGER NOT NULL,
    "kind" TEXT NOT NULL DEFAULT 'machine',
    "alive" BOOLEAN NOT NULL DEFAULT false,
    "available" BOOLEAN NOT NULL DEFAULT true,
    "deleting" BOOLEAN NOT NULL DEFAULT false,
    "bootenv" TEXT NOT NULL DEFAULT 'discovery',
    "boot_reason" TEXT NOT NULL DEFAULT 'new node',
    "desired_gen" INTEGER NOT NULL DEFAULT 1,
    "boot_class" "boot_class",
    "boot_epoch" INTEGER NOT NULL DEFAULT 0,
    "arch" TEXT NOT NULL DEFAULT 'x86_64',
    "uuid" TEXT,
    "serial" TEXT,
    "discovery" JSONB NOT NULL DEFAULT '{}',
    "hint" JSONB NOT NULL DEFAULT '{}',
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "nodes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "nics" (
    "id" SERIAL NOT NULL,
    "node_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL DEFAULT '',
    "mac" TEXT NOT NULL,
    "boot" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "nics_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "node_status" (
    "node_id" INTEGER NOT NULL,
    "boot_id" TEXT,
    "boot_class" "boot_class",
    "bootenv" TEXT,
    "address" TEXT,
    "heartbeat_at" TIMESTAMPTZ(3),
    "phase" TEXT NOT NULL DEFAULT 'unseen',
    "phase_detail" TEXT NOT NULL DEFAULT '',
    "phase_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "node_status_pkey" PRIMARY KEY ("node_id")
);

-- CreateTable
CREATE TABLE "boot_events" (
    "id" BIGSERIAL NOT NULL,
    "mac" TEXT NOT NULL,
    "node_id" INTEGER,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "kind" TEXT NOT NULL,
    "detail" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "boot_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "node_roles" (
    "id" SERIAL NOT NULL,
    "deployment_id" INTEGER NOT NULL,
    "role_id" INTEGER NOT NULL,
    "node_id" INTEGER NOT NULL,
    "state" "node_role_state" NOT NULL DEFAULT 'PROPOSED',
    "version" INTEGER NOT NULL DEFAULT 1,
    "cohort" INTEGER NOT NULL DEFAULT 0,
    "pending_parents" INTEGER NOT NULL DEFAULT 0,
    "committed" BOOLEAN NOT NULL DEFAULT false,
    "want_gen" INTEGER NOT NULL DEFAULT 1,
    "error_epoch" INTEGER NOT NULL DEFAULT 0,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "not_before" TIMESTAMPTZ(3),
    "current_run_id" BIGINT,
    "last_ok_hash" TEXT,
    "last_ok_epoch" INTEGER,
    "force_run" BOOLEAN NOT NULL DEFAULT false,
    "blocked_by" INTEGER,
    "error_code" TEXT,
    "error_message" TEXT,
    "proposed_data" JSONB,
    "committed_data" JSONB NOT NULL DEFAULT '{}',
    "sysdata" JSONB NOT NULL DEFAULT '{}',
    "wall" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "node_roles_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "node_role_edges" (
    "parent_id" INTEGER NOT NULL,
    "child_id" INTEGER NOT NULL,

    CONSTRAINT "node_role_edges_pkey" PRIMARY KEY ("parent_id","child_id")
);

-- CreateTable
CREATE TABLE "runs" (
    "id" BIGSERIAL NOT NULL,
    "node_role_id" INTEGER NOT NULL,
    "node_id" INTEGER NOT NULL,
    "role_id" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL DEFAULT 1,
    "retry_of" BIGINT,
    "status" "run_status" NOT NULL DEFAULT 'QUEUED',
    "outcome" "run_outcome",
    "jig" TEXT NOT NULL,
    "job_class" TEXT NOT NULL DEFAULT 'fast',
    "fence" INTEGER NOT NULL DEFAULT 1,
    "dispatch" INTEGER NOT NULL DEFAULT 1,
    "rung_at" TIMESTAMPTZ(3),
    "worker" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "deadline" TIMESTAMPTZ(3),
    "exclusive_key" TEXT NOT NULL,
    "holds_slot" BOOLEAN NOT NULL DEFAULT true,
    "gen" INTEGER,
    "inputs" JSONB,
    "inputs_hash" TEXT,
    "memo" JSONB NOT NULL DEFAULT '{}',
    "wake_reason" TEXT,
    "stop_outcome" "run_outcome",
    "stop_reason" TEXT,
    "stopping_at" TIMESTAMPTZ(3),
    "error_code" TEXT,
    "error_message" TEXT,
    "exit_status" INTEGER,
    "result" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "runs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "waits" (
    "run_id" BIGINT NOT NULL,
    "key" TEXT NOT NULL,
    "min_generation" INTEGER NOT NULL DEFAULT 0,
    "deadline" TIMESTAMPTZ(3) NOT NULL,
    "keeps" TEXT NOT NULL,
    "survives_reboot" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "waits_pkey" PRIMARY KEY ("run_id")
);

-- CreateTable
CREATE TABLE "facts" (
    "key" TEXT NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "detail" JSONB NOT NULL DEFAULT '{}',
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "facts_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "run_logs" (
    "run_id" BIGINT NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "text" TEXT NOT NULL,

    CONSTRAINT "run_logs_pkey" PRIMARY KEY ("run_id","seq")
);

-- CreateTable
CREATE TABLE "late_results" (
    "id" BIGSERIAL NOT NULL,
    "run_id" BIGINT NOT NULL,
    "fence" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "body" JSONB NOT NULL,

    CONSTRAINT "late_results_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "agent_work" (
    "run_id" BIGINT NOT NULL,
    "node_id" INTEGER NOT NULL,
    "fence" INTEGER NOT NULL,
    "kind" TEXT NOT NULL DEFAULT 'script',
    "spec" JSONB NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'offered',
    "boot_id" TEXT,
    "taken_at" TIMESTAMPTZ(3),
    "lease_until" TIMESTAMPTZ(3),
    "exit_status" INTEGER,
    "result" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "agent_work_pkey" PRIMARY KEY ("run_id")
);

-- CreateTable
CREATE TABLE "installs" (
    "id" SERIAL NOT NULL,
    "node_id" INTEGER NOT NULL,
    "node_role_id" INTEGER NOT NULL,
    "bootenv" TEXT NOT NULL,
    "status" "install_status" NOT NULL DEFAULT 'armed',
    "spec" JSONB NOT NULL DEFAULT '{}',
    "fetches" INTEGER NOT NULL DEFAULT 0,
    "source" TEXT,
    "armed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "fetched_at" TIMESTAMPTZ(3),
    "wiping_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "installs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "node_tokens" (
    "id" SERIAL NOT NULL,
    "sha256" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "node_id" INTEGER,
    "mac" TEXT,
    "address" TEXT,
    "bootenv" TEXT,
    "install_id" INTEGER,
    "boot_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),
    "used_from" TEXT,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "node_tokens_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "outbox_batches" (
    "id" BIGSERIAL NOT NULL,
    "pos" BIGINT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_batches_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "outbox_events" (
    "id" BIGSERIAL NOT NULL,
    "batch_id" BIGINT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject_type" TEXT NOT NULL,
    "subject_id" BIGINT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 0,
    "cause_depth" INTEGER NOT NULL DEFAULT 0,
    "data" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "outbox_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "outbox_consumers" (
    "name" TEXT NOT NULL,
    "pos" BIGINT NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_consumers_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "hook_deliveries" (
    "id" BIGSERIAL NOT NULL,
    "role" TEXT NOT NULL,
    "hook" TEXT NOT NULL,
    "subject_type" TEXT NOT NULL,
    "subject_id" BIGINT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 0,
    "changed" TEXT[],
    "data" JSONB NOT NULL DEFAULT '{}',
    "cause_depth" INTEGER NOT NULL DEFAULT 0,
    "cohort" INTEGER NOT NULL DEFAULT 0,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "not_before" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "running_until" TIMESTAMPTZ(3),
    "parked_at" TIMESTAMPTZ(3),
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "hook_deliveries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "propagations" (
    "id" BIGSERIAL NOT NULL,
    "node_role_id" INTEGER NOT NULL,
    "root_id" INTEGER NOT NULL,
    "error_epoch" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "propagations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "caps" (
    "name" TEXT NOT NULL,
    "max" INTEGER NOT NULL,
    "used" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "caps_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "worker_slots" (
    "worker" TEXT NOT NULL,
    "job_class" TEXT NOT NULL,
    "slots" INTEGER NOT NULL,
    "heartbeat_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "worker_slots_pkey" PRIMARY KEY ("worker")
);

-- CreateTable
CREATE TABLE "networks" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "category" TEXT NOT NULL DEFAULT 'admin',
    "subnet" TEXT NOT NULL,
    "router" TEXT,
    "dns" TEXT[],
    "domain" TEXT NOT NULL DEFAULT 'prybar.internal',
    "dhcp_mode" TEXT NOT NULL DEFAULT 'authoritative',
    "lease_seconds" INTEGER NOT NULL DEFAULT 3600,

    CONSTRAINT "networks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "network_ranges" (
    "id" SERIAL NOT NULL,
    "network_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "first_address" TEXT NOT NULL,
    "last_address" TEXT NOT NULL,

    CONSTRAINT "network_ranges_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "leases" (
    "address" TEXT NOT NULL,
    "network_id" INTEGER NOT NULL,
    "mac" TEXT NOT NULL,
    "client_id" TEXT,
    "hostname" TEXT,
    "state" TEXT NOT NULL DEFAULT 'active',
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "leases_pkey" PRIMARY KEY ("address")
);

-- CreateTable
CREATE TABLE "reservations" (
    "id" SERIAL NOT NULL,
    "network_id" INTEGER NOT NULL,
    "address" TEXT NOT NULL,
    "mac" TEXT NOT NULL,
    "node_id" INTEGER,

    CONSTRAINT "reservations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "dhcp_entries" (
    "mac" TEXT NOT NULL,
    "node_id" INTEGER NOT NULL,
    "hostname" TEXT NOT NULL,
    "bootenv" TEXT NOT NULL,
    "boot_local" BOOLEAN NOT NULL DEFAULT false,
    "applied_gen" INTEGER NOT NULL,
    "options" JSONB NOT NULL DEFAULT '{}',
    "revision" BIGINT NOT NULL,
    "deleted" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "dhcp_entries_pkey" PRIMARY KEY ("mac")
);

-- CreateTable
CREATE TABLE "dhcp_table" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "revision" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "dhcp_table_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "boot_servers" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "networks" INTEGER[],
    "incarnation" TEXT NOT NULL DEFAULT '',
    "status" TEXT NOT NULL DEFAULT 'joining',
    "served_revision" BIGINT NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "counters" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "boot_servers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "bootenvs" (
    "name" TEXT NOT NULL,
    "os_family" TEXT NOT NULL DEFAULT '',
    "description" TEXT NOT NULL DEFAULT '',
    "kind" TEXT NOT NULL,
    "archs" TEXT[],
    "available" BOOLEAN NOT NULL DEFAULT true,
    "problems" TEXT[],
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "bootenvs_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "bmcs" (
    "node_id" INTEGER NOT NULL,
    "driver" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "port" INTEGER NOT NULL,
    "username" TEXT NOT NULL DEFAULT '',
    "secret" TEXT NOT NULL DEFAULT '',
    "power" TEXT NOT NULL DEFAULT 'unknown',
    "last_error" TEXT,
    "checked_at" TIMESTAMPTZ(3),

    CONSTRAINT "bmcs_pkey" PRIMARY KEY ("node_id")
);

-- CreateTable
CREATE TABLE "api_tokens" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "sha256" TEXT NOT NULL,
    "scope" TEXT NOT NULL DEFAULT 'admin',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_tokens_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "detail" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "audit_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "settings" (
    "key" TEXT NOT NULL,
    "value" JSONB NOT NULL,

    CONSTRAINT "settings_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE UNIQUE INDEX "deployments_name_key" ON "deployments"("name");

-- CreateIndex
CREATE INDEX "deployments_parent_id_idx" ON "deployments"("parent_id");

-- CreateIndex
CREATE UNIQUE INDEX "roles_name_key" ON "roles"("name");

-- CreateIndex
CREATE INDEX "role_requires_requires_idx" ON "role_requires"("requires");

-- CreateIndex
CREATE UNIQUE INDEX "deployment_roles_deployment_id_role_id_key" ON "deployment_roles"("deployment_id", "role_id");

-- CreateIndex
CREATE UNIQUE INDEX "nodes_name_key" ON "nodes"("name");

-- CreateIndex
CREATE INDEX "nodes_deployment_id_idx" ON "nodes"("deployment_id");

-- CreateIndex
CREATE INDEX "nodes_uuid_idx" ON "nodes"("uuid");

-- CreateIndex
CREATE UNIQUE INDEX "nics_mac_key" ON "nics"("mac");

-- CreateIndex
CREATE INDEX "nics_node_id_idx" ON "nics"("node_id");

-- CreateIndex
CREATE INDEX "node_status_heartbeat_at_idx" ON "node_status"("heartbeat_at");

-- CreateIndex
CREATE INDEX "boot_events_mac_id_idx" ON "boot_events"("mac", "id");

-- CreateIndex
CREATE INDEX "boot_events_node_id_id_idx" ON "boot_events"("node_id", "id");

-- CreateIndex
CREATE INDEX "node_roles_deployment_id_state_idx" ON "node_roles"("deployment_id", "state");

-- CreateIndex
CREATE INDEX "node_roles_node_id_idx" ON "node_roles"("node_id");

-- CreateIndex
CREATE UNIQUE INDEX "node_roles_role_id_node_id_key" ON "node_roles"("role_id", "node_id");

-- CreateIndex
CREATE INDEX "node_role_edges_child_id_idx" ON "node_role_edges"("child_id");

-- CreateIndex
CREATE INDEX "runs_node_role_id_id_idx" ON "runs"("node_role_id", "id");

-- CreateIndex
CREATE INDEX "runs_node_id_id_idx" ON "runs"("node_id", "id");

-- CreateIndex
CREATE INDEX "waits_key_idx" ON "waits"("key");

-- CreateIndex
CREATE INDEX "waits_deadline_idx" ON "waits"("deadline");

-- CreateIndex
CREATE INDEX "late_results_run_id_idx" ON "late_results"("run_id");

-- CreateIndex
CREATE INDEX "agent_work_node_id_status_idx" ON "agent_work"("node_id", "status");

-- CreateIndex
CREATE INDEX "installs_node_id_id_idx" ON "installs"("node_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "node_tokens_sha256_key" ON "node_tokens"("sha256");

-- CreateIndex
CREATE INDEX "node_tokens_node_id_idx" ON "node_tokens"("node_id");

-- CreateIndex
CREATE INDEX "node_tokens_mac_idx" ON "node_tokens"("mac");

-- CreateIndex
CREATE UNIQUE INDEX "outbox_batches_pos_key" ON "outbox_batches"("pos");

-- CreateIndex
CREATE INDEX "outbox_events_batch_id_id_idx" ON "outbox_events"("batch_id", "id");

-- CreateIndex
CREATE INDEX "hook_deliveries_not_before_idx" ON "hook_deliveries"("not_before");

-- CreateIndex
CREATE UNIQUE INDEX "hook_deliveries_role_hook_subject_type_subject_id_key" ON "hook_deliveries"("role", "hook", "subject_type", "subject_id");

-- CreateIndex
CREATE UNIQUE INDEX "networks_name_key" ON "networks"("name");

-- CreateIndex
CREATE UNIQUE INDEX "network_ranges_network_id_name_key" ON "network_ranges"("network_id", "name");

-- CreateIndex
CREATE INDEX "leases_mac_idx" ON "leases"("mac");

-- CreateIndex
CREATE UNIQUE INDEX "reservations_address_key" ON "reservations"("address");

-- CreateIndex
CREATE INDEX "reservations_node_id_idx" ON "reservations"("node_id");

-- CreateIndex
CREATE UNIQUE INDEX "reservations_network_id_mac_key" ON "reservations"("network_id", "mac");

-- CreateIndex
CREATE INDEX "dhcp_entries_revision_idx" ON "dhcp_entries"("revision");

-- CreateIndex
CREATE INDEX "dhcp_entries_node_id_idx" ON "dhcp_entries"("node_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_tokens_name_key" ON "api_tokens"("name");

-- CreateIndex
CREATE UNIQUE INDEX "api_tokens_sha256_key" ON "api_tokens"("sha256");

-- CreateIndex
CREATE INDEX "audit_target_idx" ON "audit"("target");

-- AddForeignKey
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "deployments"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_requires" ADD CONSTRAINT "role_requires_role_id_fkey" FOREIGN KEY ("role_id") REFERENCES "roles"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "deployment_roles" ADD CONSTRAINT "deployment_roles_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployments"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "deployment_roles" ADD CONSTRAINT "deployment_roles_role_id_fkey" FOREIGN KEY ("role_id") REFERENCES "roles"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "nodes" ADD CONSTRAINT "nodes_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployments"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "nics" ADD CONSTRAINT "nics_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_status" ADD CONSTRAINT "node_status_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployments"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_role_id_fkey" FOREIGN KEY ("role_id") REFERENCES "roles"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_role_edges" ADD CONSTRAINT "node_role_edges_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "node_roles"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_role_edges" ADD CONSTRAINT "node_role_edges_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "node_roles"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "runs" ADD CONSTRAINT "runs_node_role_id_fkey" FOREIGN KEY ("node_role_id") REFERENCES "node_roles"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "waits" ADD CONSTRAINT "waits_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "run_logs" ADD CONSTRAINT "run_logs_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "runs"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "installs" ADD CONSTRAINT "installs_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "outbox_events" ADD CONSTRAINT "outbox_events_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "outbox_batches"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "network_ranges" ADD CONSTRAINT "network_ranges_network_id_fkey" FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "leases" ADD CONSTRAINT "leases_network_id_fkey" FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_network_id_fkey" FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "dhcp_entries" ADD CONSTRAINT "dhcp_entries_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "bmcs" ADD CONSTRAINT "bmcs_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;



-- Invariants, named after what they hold. Code may be wrong, these not (DESIGN rule 2).

-- One live run holds a machine; a run whose end is not proven (STOPPING) keeps the slot (engine-rules 1, 17).
CREATE UNIQUE INDEX "runs_one_live_slot" ON "runs" ("exclusive_key") WHERE "status" <> 'ENDED' AND "holds_slot";
-- A noderole has at most one run that may still decide its state.
CREATE UNIQUE INDEX "runs_one_live_per_noderole" ON "runs" ("node_role_id") WHERE "status" IN ('QUEUED', 'RUNNING', 'WAITING', 'WAKING');
ALTER TABLE "runs" ADD CONSTRAINT "runs_ended_has_outcome" CHECK (("status" = 'ENDED') = ("outcome" IS NOT NULL));
ALTER TABLE "runs" ADD CONSTRAINT "runs_ended_has_time" CHECK (("status" = 'ENDED') = ("ended_at" IS NOT NULL));
ALTER TABLE "runs" ADD CONSTRAINT "runs_result_is_small" CHECK ("result" IS NULL OR pg_column_size("result") <= 1048576);

-- An ended run is history: nothing about it changes (engine-rules 20).
CREATE FUNCTION "refuse_change_of_ended_run"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'run % has ended and cannot change', OLD.id USING ERRCODE = '23514', CONSTRAINT = 'runs_ended_is_final';
END $$;
CREATE TRIGGER "runs_ended_is_final" BEFORE UPDATE ON "runs" FOR EACH ROW WHEN (OLD."status" = 'ENDED') EXECUTE FUNCTION "refuse_change_of_ended_run"();

-- A noderole that may be claimed waits for nobody (engine-rules 3).
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_todo_has_no_pending_parent" CHECK ("state" <> 'TODO' OR "pending_parents" = 0);
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_pending_parents_not_negative" CHECK ("pending_parents" >= 0);
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_transition_has_run" CHECK (("state" = 'TRANSITION') = ("current_run_id" IS NOT NULL));
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_committed_unless_proposed" CHECK ("state" = 'PROPOSED' OR "committed");
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_error_has_code" CHECK ("state" <> 'ERROR' OR "error_code" IS NOT NULL);
ALTER TABLE "node_role_edges" ADD CONSTRAINT "node_role_edges_not_to_itself" CHECK ("parent_id" <> "child_id");
-- The claim looks here for the next noderole of a node, in order.
CREATE INDEX "node_roles_todo" ON "node_roles" ("node_id", "cohort", "id") WHERE "state" = 'TODO';

-- The sweep's work lists: small, because they hold only what is live.
CREATE INDEX "runs_rung" ON "runs" ("rung_at") WHERE "status" IN ('QUEUED', 'WAKING');
CREATE INDEX "runs_leased" ON "runs" ("lease_until") WHERE "status" IN ('RUNNING', 'WAITING', 'STOPPING');

-- Exactly one run-end record per run (engine-rules 20).
CREATE UNIQUE INDEX "outbox_events_one_end_per_run" ON "outbox_events" ("subject_id") WHERE "kind" = 'run-ended';
CREATE INDEX "outbox_batches_without_position" ON "outbox_batches" ("id") WHERE "pos" IS NULL;

-- One installation at a time writes to a machine's disk (engine-rules 15).
CREATE UNIQUE INDEX "installs_one_open_per_node" ON "installs" ("node_id") WHERE "status" IN ('armed', 'fetched', 'wiping');

-- A machine holds one active lease per network; the address is the primary key, so it is given once.
CREATE UNIQUE INDEX "leases_one_active_per_mac" ON "leases" ("network_id", "mac") WHERE "state" = 'active';
CREATE UNIQUE INDEX "deployments_one_root" ON "deployments" ((true)) WHERE "parent_id" IS NULL;
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_root_is_system" CHECK (("parent_id" IS NULL) = "system");
ALTER TABLE "nodes" ADD CONSTRAINT "nodes_kind_known" CHECK ("kind" IN ('machine', 'admin', 'phantom'));
ALTER TABLE "dhcp_table" ADD CONSTRAINT "dhcp_table_one_row" CHECK ("id" = 1);
INSERT INTO "dhcp_table" ("id") VALUES (1);

-- Rows updated three times in a short life: room on the page keeps the updates in it (HOT).
ALTER TABLE "node_roles" SET (fillfactor = 70);
ALTER TABLE "runs" SET (fillfactor = 70);
ALTER TABLE "node_status" SET (fillfactor = 70);
