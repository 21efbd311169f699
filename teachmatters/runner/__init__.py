"""Model x data -> store."""
