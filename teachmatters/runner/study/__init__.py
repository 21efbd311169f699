"""Studies: YAML files that name models, metrics and data."""
