"""Reports of attention: distances, maps, overlap with objects, and heads by type."""
