"""Alembic's folder: how a store of any revision becomes one of the latest."""
