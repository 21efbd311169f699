"""The contract of a plugin, part by part; each problem is reported as a sentence with its line."""
