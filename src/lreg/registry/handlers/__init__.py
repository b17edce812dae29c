"""One function for each call of the spec; each reads like the spec's paragraph."""
