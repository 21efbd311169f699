"""One analyze command: what is missing is measured and recorded."""
