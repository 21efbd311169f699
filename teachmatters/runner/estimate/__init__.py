"""``tm study --plan``: the cost of a study, estimated without measuring."""
