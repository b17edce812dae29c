"""Building images: out of folders, out of what a script writes, out of Dockerfiles."""
