"""The vocabulary of images and registries: frozen values, parsed once, without I/O."""
