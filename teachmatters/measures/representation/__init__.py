"""Measures of representations."""
