"""Real clients against a running lreg; no test needs the internet."""
