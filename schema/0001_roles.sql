-- purpose:     the database roles, what each may do, and the register of applied migrations
-- kind:        expand
-- lock-budget: 100 ms
-- run-as:      the connecting role (needs CREATEROLE and to own the database; 0002 on: holdfast_owner)
-- inverse:     0001_roles.down.sql
--
-- Roles belong to the cluster, so another database may have made them already: everything here is
-- a no-op when it finds what it wants. Passwords and who may connect as whom are pg_hba.conf's
-- business, not the schema's.
--
--   holdfast_owner        owns every object; nobody can log in as it
--   holdfast_migrator     applies migrations: becomes the owner with SET ROLE, never implicitly
--   holdfast_app          the processes that take payments: no DDL, entries and seals INSERT-only
--   holdfast_read         people and reports: SELECT
--   holdfast_watch        probes: pg_monitor and SELECT
--   holdfast_replication  the standby of the embedded pair

CREATE FUNCTION pg_temp.ensure_role(name text, attributes text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
        EXECUTE format('CREATE ROLE %I %s', name, attributes);
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of this cluster was faster
END $$;

CREATE FUNCTION pg_temp.ensure_setting(name text, parameter text, value text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
                   WHERE r.rolname = name AND s.setdatabase = 0
                     AND parameter || '=' || value = ANY (s.setconfig)) THEN
        EXECUTE format('ALTER ROLE %I SET %I = %L', name, parameter, value);
    END IF;
END $$;

CREATE FUNCTION pg_temp.ensure_member(parent_name text, member_name text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.roleid
                   JOIN pg_roles c ON c.oid = m.member
                   WHERE p.rolname = parent_name AND c.rolname = member_name) THEN
        EXECUTE format('GRANT %I TO %I', parent_name, member_name);
    END IF;
END $$;

SELECT pg_temp.ensure_role('holdfast_owner', 'NOLOGIN');
SELECT pg_temp.ensure_role('holdfast_migrator', 'LOGIN NOINHERIT');
SELECT pg_temp.ensure_role('holdfast_app', 'LOGIN');
SELECT pg_temp.ensure_role('holdfast_read', 'LOGIN');
SELECT pg_temp.ensure_role('holdfast_watch', 'LOGIN');
-- Only a superuser may make it; a server that somebody else runs has its own.
SELECT pg_temp.ensure_role('holdfast_replication', 'LOGIN REPLICATION')
FROM pg_roles WHERE rolname = current_user AND rolsuper;
SELECT pg_temp.ensure_member('holdfast_owner', 'holdfast_migrator');
-- Who connects becomes the owner here and holdfast_app in the processes, as a superuser may anyway.
SELECT pg_temp.ensure_member(role, current_user)
FROM pg_roles, unnest(ARRAY['holdfast_owner', 'holdfast_app']) AS role
WHERE rolname = current_user AND NOT rolsuper;
SELECT pg_temp.ensure_member('pg_monitor', 'holdfast_watch');

-- Every transaction of the platform sends its own, shorter timeouts; these are the net below.
SELECT pg_temp.ensure_setting('holdfast_app', 'statement_timeout', '10s');
SELECT pg_temp.ensure_setting('holdfast_app', 'lock_timeout', '5s');
SELECT pg_temp.ensure_setting('holdfast_app', 'idle_in_transaction_session_timeout', '30s');
SELECT pg_temp.ensure_setting('holdfast_app', 'default_transaction_isolation', 'read committed');
-- Plans are pinned: every statement of src/store goes key by key through an index, whatever the
-- statistics say today. What needs another plan says so itself (SET LOCAL).
SELECT pg_temp.ensure_setting('holdfast_app', 'plan_cache_mode', 'force_generic_plan');
SELECT pg_temp.ensure_setting('holdfast_app', 'enable_hashjoin', 'off');
SELECT pg_temp.ensure_setting('holdfast_app', 'enable_mergejoin', 'off');
SELECT pg_temp.ensure_setting('holdfast_app', 'enable_seqscan', 'off');
SELECT pg_temp.ensure_setting('holdfast_app', 'enable_bitmapscan', 'off');
SELECT pg_temp.ensure_setting('holdfast_app', 'random_page_cost', '1.1');
SELECT pg_temp.ensure_setting('holdfast_app', 'max_parallel_workers_per_gather', '0');
SELECT pg_temp.ensure_setting('holdfast_app', 'jit', 'off');

SELECT pg_temp.ensure_setting('holdfast_migrator', 'lock_timeout', '100ms');
SELECT pg_temp.ensure_setting('holdfast_migrator', 'idle_in_transaction_session_timeout', '30s');
SELECT pg_temp.ensure_setting('holdfast_read', 'statement_timeout', '60s');
SELECT pg_temp.ensure_setting('holdfast_read', 'lock_timeout', '1s');
SELECT pg_temp.ensure_setting('holdfast_read', 'idle_in_transaction_session_timeout', '60s');
SELECT pg_temp.ensure_setting('holdfast_read', 'default_transaction_read_only', 'on');
SELECT pg_temp.ensure_setting('holdfast_watch', 'statement_timeout', '5s');
SELECT pg_temp.ensure_setting('holdfast_watch', 'lock_timeout', '100ms');
SELECT pg_temp.ensure_setting('holdfast_watch', 'default_transaction_read_only', 'on');

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO holdfast_owner;
GRANT USAGE ON SCHEMA public TO holdfast_app, holdfast_read, holdfast_watch, holdfast_migrator;
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_owner IN SCHEMA public
    GRANT SELECT ON TABLES TO holdfast_app, holdfast_read, holdfast_watch;

-- One row per applied migration. A file whose checksum no longer fits is refused.
CREATE TABLE schema_migrations (
    version     integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL, -- SHA-256 of the file, hexadecimal
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by  text NOT NULL DEFAULT session_user,
    attempts    integer NOT NULL,
    duration_ms bigint NOT NULL
);
ALTER TABLE schema_migrations OWNER TO holdfast_owner;
GRANT SELECT ON schema_migrations TO holdfast_app, holdfast_read, holdfast_watch;
