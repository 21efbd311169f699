"""The revisions, oldest first. Each one is frozen: it says what its day's tables were, and imports none of ours."""
