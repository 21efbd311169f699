"""Runs models over data and records the results in the store."""
