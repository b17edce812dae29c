"""Which registries a command talks to: the one here, the lreg that runs here, those named."""
