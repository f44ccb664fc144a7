-- The callback without a token is for networks whose installers cannot be changed: they say so one by one (netboot rule 21).
ALTER TABLE "networks" ADD COLUMN "legacy_boot_default" BOOLEAN NOT NULL DEFAULT false;
