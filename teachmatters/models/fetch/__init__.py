"""Find and download published weights."""
