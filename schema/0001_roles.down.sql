-- Inverse of 0001. The roles themselves stay: they belong to the cluster, and another of its
-- databases may live by them. Drop them by hand once none does.
DROP TABLE schema_migrations;
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_owner IN SCHEMA public
    REVOKE SELECT ON TABLES FROM holdfast_app, holdfast_read, holdfast_watch;
REVOKE USAGE ON SCHEMA public FROM holdfast_app, holdfast_read, holdfast_watch, holdfast_migrator;
REVOKE USAGE, CREATE ON SCHEMA public FROM holdfast_owner;
