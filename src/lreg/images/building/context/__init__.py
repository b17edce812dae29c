"""The folder that a Dockerfile copies from: what of it counts, and what a pattern means there."""
