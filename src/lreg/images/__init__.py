"""Making and finding images."""
