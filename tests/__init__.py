"""Everything that proves lreg: unit and contract tests, real clients, the conformance suite."""
