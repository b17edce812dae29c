"""A real lreg between clients and fakes of the internet, or real registries."""
