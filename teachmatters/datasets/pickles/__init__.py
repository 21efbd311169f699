"""Read a pickle of plain data and run nothing in it."""
