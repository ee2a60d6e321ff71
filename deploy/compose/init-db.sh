#!/bin/bash
# Makes the databases and roles at the first start of the database: for each service an owner who migrates and an app
# role without DDL, each database closed to all but its own two. The embedded server does the same in roles.py.
set -euo pipefail

run() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set VERBOSITY=terse \
        --username "$POSTGRES_USER" --dbname postgres "$@"
}

for service in intake hotline referral registry; do
    run --set service="$service" --set variable="${service^^}" <<'SQL'
\set owner :service _owner
\set app :service _app
\set owner_variable :variable _OWNER_PASSWORD
\set app_variable :variable _APP_PASSWORD
\getenv owner_password :owner_variable
\getenv app_password :app_variable
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"app" LOGIN PASSWORD :'app_password';
CREATE DATABASE :"service" OWNER :"owner";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"app";
\connect :"service"
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"app";
SQL
done

run <<'SQL'
\getenv password KEYCLOAK_DATABASE_PASSWORD
CREATE ROLE keycloak LOGIN PASSWORD :'password';
CREATE DATABASE keycloak OWNER keycloak;
REVOKE ALL ON DATABASE keycloak, postgres, template1 FROM PUBLIC;
SQL
