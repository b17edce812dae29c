"""What images a set of manifests, charts, compose files, overlays or a live cluster needs."""
