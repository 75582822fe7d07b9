"""Row-level security for the tables of a migration. The role is `shoptalk.db.row_security`'s."""

from alembic import op
from sqlalchemy import text

from shoptalk.db.row_security import ROLE, SETTING
from shoptalk.migrations.online import run

OWN = f"nullif(current_setting('{SETTING}', true), '')::bigint"


def make_role() -> bool:
    """Have the role made, where this user may; it is shared by all databases of a server."""
    connection = op.get_bind()
    known = text("SELECT count(*) FROM pg_roles WHERE rolname = :role")
    may_make = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    if not connection.scalar(known, {"role": ROLE}):
        if not connection.scalar(may_make):
            return False
        run(
            f"""DO $$ BEGIN CREATE ROLE {ROLE} NOLOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$""",
            f"GRANT {ROLE} TO CURRENT_USER",
        )
    return True


def confine(table: str, condition: str = f"workspace_id = {OWN}") -> None:
    """Let the role see and change the rows of `table` that meet the condition."""
    run(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS own_workspace ON {table}",
        f"CREATE POLICY own_workspace ON {table} TO {ROLE} USING ({condition})",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}",
    )
