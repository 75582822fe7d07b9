"""Every row says to which workspace it belongs, and the database holds it to its parent's.
Lock: none for longer than 100 ms; rows are filled in batches. Old code: works, a trigger fills the
column for it; the trigger goes with the next release.
"""

from shoptalk.migrations.online import fill, make_unique, replace_foreign_key, require, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

PARENTS = {
    "messages": ("conversations", "conversation_id"),
    "extractions": ("conversations", "conversation_id"),
    "chat_visitors": ("channel_integrations", "channel_integration_id"),
    "chat_sessions": ("channel_integrations", "channel_integration_id"),
    "chat_messages": ("channel_integrations", "channel_integration_id"),
}


def upgrade() -> None:
    for parent in ("conversations", "channel_integrations"):
        make_unique(parent, ["id", "workspace_id"])
    for table, (parent, reference) in PARENTS.items():
        run(
            f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS workspace_id bigint",
            f"""CREATE OR REPLACE FUNCTION {table}_workspace() RETURNS trigger AS $$
                BEGIN
                    SELECT workspace_id INTO NEW.workspace_id FROM {parent}
                    WHERE id = NEW.{reference};
                    RETURN NEW;
                END $$ LANGUAGE plpgsql""",  # noqa: S608
            f"DROP TRIGGER IF EXISTS fill_workspace ON {table}",
            f"""CREATE TRIGGER fill_workspace BEFORE INSERT ON {table} FOR EACH ROW
                WHEN (NEW.workspace_id IS NULL) EXECUTE FUNCTION {table}_workspace()""",
        )
        fill(
            table,
            f"workspace_id = parent.workspace_id FROM {parent} AS parent "
            f"WHERE parent.id = {table}.{reference}",
            missing="workspace_id IS NULL",
        )
        require(table, "workspace_id")
        replace_foreign_key(
            table, [reference, "workspace_id"], parent, name=f"fk_{table}_{reference}_{parent}"
        )
