-- Why: the claim inserts a run for a noderole whose row it has just written; the foreign key locked and wrote that row once
-- more for each. Runs go with their noderole all the same, in the statement that removes it.
ALTER TABLE "runs" DROP CONSTRAINT "runs_node_role_id_fkey";
CREATE FUNCTION "forget_runs_of_noderoles"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM runs r USING gone WHERE r.node_role_id = gone.id;
  RETURN NULL;
END $$;
CREATE TRIGGER "node_roles_take_their_runs" AFTER DELETE ON "node_roles" REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "forget_runs_of_noderoles"();
