"""lreg: the registry that a cluster takes for the internet."""

__version__ = "0.1.0"
