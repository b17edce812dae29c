"""How what a node is to be told comes into the files that it has already."""
