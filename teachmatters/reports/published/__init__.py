"""The report of published numbers, and the numbers."""
