"""What several commands take: how to reach registries, settings, where images are named."""
