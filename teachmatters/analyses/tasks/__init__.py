"""Analyses of downstream tasks: what the layers are useful for."""
