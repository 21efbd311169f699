"""Measures of attention maps."""
