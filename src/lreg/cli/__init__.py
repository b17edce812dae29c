"""The command line: one command a file; wires, prints, exits."""
