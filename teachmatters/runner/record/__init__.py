"""A result as the store keeps it: validated, with its provenance."""
