"""The commands for images, as their users run them, against real registries."""
