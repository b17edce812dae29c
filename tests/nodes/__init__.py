"""Real runtimes as a cluster's nodes: told by `lreg node apply`, and pulling from lreg alone."""
