"""Merging stores."""
