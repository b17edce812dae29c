"""Dockerfiles that run nothing, built by lreg itself; BuildKit's reading of them is the rule."""
