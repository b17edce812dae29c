"""Servers that misbehave on command, over real sockets."""
