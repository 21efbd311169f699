"""From the store to tables and drawings: a report is a query, a table for people and a drawing."""
