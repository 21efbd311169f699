"""``tm report page``: every report of a store as one HTML file that needs nothing else."""
