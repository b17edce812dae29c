"""Bytes at rest: blobs, manifests, tags, uploads, referrers; protocol.py says what a store is."""
