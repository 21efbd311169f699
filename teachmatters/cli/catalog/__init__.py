"""Commands that list models, data sets, metrics and plugins, or prepare them."""
