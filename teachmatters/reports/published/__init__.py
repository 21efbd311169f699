"""The report of published figures, and the figures."""
