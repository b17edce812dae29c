"""Tests of the client: against a scripted registry, and against a real one."""
