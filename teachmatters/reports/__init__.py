"""Reports: each is a query on the store, a table and a figure."""
