"""Whole requests against a whole server, as HTTP shows them."""
