"""The script that Alembic runs for every migration, inside the transaction of the given connection."""

from __future__ import annotations

from alembic import context


def main() -> None:
    """Apply the missing revisions."""
    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # Alembic loads this file under this name
    main()
