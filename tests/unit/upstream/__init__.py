"""The rules by which upstreams are asked."""
