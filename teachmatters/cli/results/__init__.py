"""Commands that read or keep results."""
