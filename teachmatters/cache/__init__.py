"""The cache: features and states on disk that later runs reuse, outside the store."""
