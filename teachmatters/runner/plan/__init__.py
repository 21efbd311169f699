"""From names to tasks: models, data sets, parameters, and which metrics the store lacks."""
