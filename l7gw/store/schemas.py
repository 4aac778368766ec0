"""Whether the schema of the tables is the gateway's alone.

Whoever may make things in it rules over the holds: a function or an operator of his, whose types fit those of a statement of ours
better than PostgreSQL's own, is run with the gateway's rights (CVE-2018-1058). Before version 15 each new database has a schema
`public` in which everybody may do so. A connection looks for names in the one schema of the tables, and nowhere else.
"""

from __future__ import annotations

from typing import Any

import psycopg

HINT = (
    "in that database: CREATE SCHEMA l7gw AUTHORIZATION l7gw, by the name of the gateway's role, which then takes it; "
    "or REVOKE CREATE ON SCHEMA {} FROM whoever may"
)
# Nothing of the schema is asked while it is judged. Roles of which the gateway's is a member count as itself.
ALONE = (
    "SELECT pg_catalog.set_config('search_path', CASE WHEN pg_catalog.current_schema() IS NULL THEN"
    " pg_catalog.current_setting('search_path') ELSE pg_catalog.quote_ident(pg_catalog.current_schema()::text) END, false)"
)
WHO = """
WITH ours AS (
    SELECT n.oid, n.nspowner, n.nspacl, d.datdba FROM pg_namespace n, pg_database d
    WHERE n.nspname = %(schema)s::name AND d.datname = current_database()
), makers AS (
    SELECT 'may make things in it' AS does, nspowner AS who FROM ours
    UNION ALL
    SELECT 'may make things in it', a.grantee FROM ours, aclexplode(ours.nspacl) a WHERE a.privilege_type = 'CREATE'
    UNION ALL
    SELECT 'owns ' || c.relname || ' in it', c.relowner FROM pg_class c, ours
    WHERE c.relnamespace = ours.oid AND c.relname = ANY(%(tables)s::name[])
    UNION ALL
    SELECT 'owns a function in it', p.proowner FROM pg_proc p, ours WHERE p.pronamespace = ours.oid
    UNION ALL
    SELECT 'owns an operator in it', o.oprowner FROM pg_operator o, ours WHERE o.oprnamespace = ours.oid
)
SELECT m.does, coalesce(r.rolname::text, '') FROM makers m CROSS JOIN ours LEFT JOIN pg_roles r ON r.oid = m.who
WHERE m.who <> ours.datdba AND coalesce(r.rolname, '') <> 'pg_database_owner'
    AND CASE WHEN r.oid IS NULL THEN true ELSE NOT r.rolsuper AND NOT pg_has_role(current_user, r.oid, 'USAGE') END
ORDER BY m.does LIMIT 1
"""


def check_alone(connection: psycopg.Connection[Any], tables: list[str]) -> None:
    """Raises OSError, in words for people, where the database does not keep every text, and where somebody else than the gateway's
    role, the owner of the database and superusers rules over the schema or over one of these tables. `connection` commits each
    statement, and is of no use afterwards."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        hint = "CREATE DATABASE l7gw OWNER l7gw ENCODING 'UTF8' TEMPLATE template0"
        raise OSError(f"the database keeps texts as {encoding}, which has not every character of a call\n  hint: {hint}")
    found = connection.execute("SELECT pg_catalog.current_schema()").fetchone()
    if found is None or found[0] is None:
        return  # there is none, which `migrate` says
    schema = str(found[0])
    connection.execute("SET search_path = pg_catalog")
    other = connection.execute(WHO, {"schema": schema, "tables": tables}).fetchone()
    if other is not None:
        does, who = other
        raise OSError(
            f"the schema {schema} is not the gateway's alone: {who or 'everybody'} {does}, and could approve anything\n"
            f"  hint: {HINT.format(schema)}"
        )
