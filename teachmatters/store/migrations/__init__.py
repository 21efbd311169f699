"""Alembic's migrations from every revision to the latest."""
