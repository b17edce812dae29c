"""Tests of one module at a time, in the places of the modules."""
