"""Reading a file of weights as data only."""
