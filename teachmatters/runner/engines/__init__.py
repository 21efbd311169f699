"""Engines run the forward passes: this process, or the workers of a Ray cluster."""
