"""Runs an analyze command: measures and records what the store lacks."""
