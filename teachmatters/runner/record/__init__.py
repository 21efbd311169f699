"""Validates results and describes them as runs with provenance."""
