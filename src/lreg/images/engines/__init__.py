"""The container engines of this machine: their images out as archives, and archives in."""

NAMES = ("docker", "podman", "containerd")
"""In the order in which they are asked for an image; nothing slow is imported to know them."""
