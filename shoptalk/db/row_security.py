"""The second wall between workspaces: what serves HTTP reads and writes as a role that row-level
security confines to one workspace, so that a query that forgets to name it finds nothing.

The migrations enable it for every table; the tables' owner, who imports and answers, is not
confined.
"""

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from shoptalk.errors import UsageError

ROLE = "shoptalk_tenant"
SETTING = "shoptalk.workspace_id"


def confine(session: Session, workspace_id: int) -> None:
    """For the rest of the transaction, see and change rows of this workspace only.

    Raises:
        UsageError: the database has no such role, or its user may not take it.
    """
    try:
        session.execute(
            text("SELECT set_config(:setting, :workspace, true)"),
            {"setting": SETTING, "workspace": str(workspace_id)},
        )
        session.execute(text(f"SET LOCAL ROLE {ROLE}"))
    except ProgrammingError as exc:
        raise UsageError(
            f"The database has no role {ROLE} that this user may take: as an administrator of the "
            f"server run `CREATE ROLE {ROLE}` and `GRANT {ROLE} TO` the user of DATABASE_URL, then "
            "`shoptalk db upgrade`."
        ) from exc
