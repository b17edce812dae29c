"""A whole VM, started as xcluster starts its own, takes images from lreg."""
