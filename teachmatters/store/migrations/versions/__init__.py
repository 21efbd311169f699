"""The revisions, oldest first. Each is frozen: it describes the tables of its time and imports nothing of the store."""
