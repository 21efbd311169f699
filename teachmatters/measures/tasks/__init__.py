"""Scores of downstream tasks."""
