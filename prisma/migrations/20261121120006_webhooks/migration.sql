-- Webhooks: what users subscribe to, and every delivery with its outcome, so that an endpoint that is down for hours loses
-- nothing and an operator can see what was sent and what came back.
CREATE TABLE "webhooks" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "kinds" TEXT[] NOT NULL DEFAULT '{}',
    "states" TEXT[] NOT NULL DEFAULT '{}',
    "deployment_id" INTEGER,
    "node_id" INTEGER,
    "role_id" INTEGER,
    "secret" TEXT NOT NULL,
    "active" BOOLEAN NOT NULL DEFAULT true,
    "paused_reason" TEXT,
    "from_pos" BIGINT NOT NULL DEFAULT 0,
    "failing_since" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "webhooks_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "webhooks_deployment_id_fkey" FOREIGN KEY ("deployment_id") REFERENCES "deployments"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "webhooks_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "webhooks_role_id_fkey" FOREIGN KEY ("role_id") REFERENCES "roles"("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "webhooks_name_key" ON "webhooks"("name");

CREATE TABLE "webhook_deliveries" (
    "id" BIGSERIAL NOT NULL,
    "uid" UUID NOT NULL,
    "webhook_id" INTEGER NOT NULL,
    "pos" BIGINT,
    "n" INTEGER,
    "kind" TEXT NOT NULL,
    "subject_type" TEXT NOT NULL,
    "subject_id" BIGINT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 0,
    "body" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "not_before" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "running_until" TIMESTAMPTZ(3),
    "log" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),
    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "webhook_deliveries_webhook_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "webhooks"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "webhook_deliveries_status" CHECK ("status" IN ('pending', 'delivered', 'dead')),
    CONSTRAINT "webhook_deliveries_ended" CHECK (("status" = 'pending') = ("ended_at" IS NULL))
);
-- One delivery for each (webhook, event), however often the event is looked at. A test has no position.
CREATE UNIQUE INDEX "webhook_deliveries_webhook_id_pos_n_key" ON "webhook_deliveries"("webhook_id", "pos", "n");
CREATE INDEX "webhook_deliveries_webhook_id_id_idx" ON "webhook_deliveries"("webhook_id", "id");
-- What is due, of one webhook.
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries"("webhook_id", "not_before", "id") WHERE "status" = 'pending';
-- What retention may remove.
CREATE INDEX "webhook_deliveries_over" ON "webhook_deliveries"("ended_at") WHERE "status" <> 'pending';
