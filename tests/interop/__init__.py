"""One tree, two registries: lreg and distribution, Debian's docker-registry."""
