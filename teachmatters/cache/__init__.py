"""What is kept on disk between runs, outside the store."""
