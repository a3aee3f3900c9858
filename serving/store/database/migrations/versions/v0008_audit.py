"""The audit trail cannot be rewritten by putting an entry in the place of another, or before the newest one."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Replacing removes a row without asking the trigger that refuses removals, unless the connection has asked for that.
SQLITE = {
    "audit_no_replace": "BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)",
    "audit_no_insertion": "AFTER INSERT ON audit WHEN NEW.id < (SELECT max(id) FROM audit)",
}


def upgrade() -> None:
    """SQLite refuses both; PostgreSQL, which has one trigger for all, asks it whoever writes."""
    if op.get_context().dialect.name == "sqlite":
        for name, when in SQLITE.items():
            op.execute(
                f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END"
            )
        return
    op.execute("ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_append_only")


def downgrade() -> None:
    """As it was."""
    if op.get_context().dialect.name == "sqlite":
        for name in SQLITE:
            op.execute(f"DROP TRIGGER {name}")
        return
    op.execute("ALTER TABLE audit ENABLE TRIGGER audit_append_only")
