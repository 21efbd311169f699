"""Image folders: on disk, in tar shards and in Arrow files."""
