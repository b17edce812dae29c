"""What the tests that run real programs stand on."""
