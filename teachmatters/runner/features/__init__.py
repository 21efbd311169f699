"""Features that analyses need of all images together: what the cache holds, and what a pass adds."""
