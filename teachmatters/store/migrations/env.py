"""Run by Alembic for every migration, inside the transaction of the connection it is handed."""

from __future__ import annotations

from alembic import context


def main() -> None:
    """Apply the revisions that are missing."""
    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name that Alembic loads this file under; anyone else only imports it
    main()
