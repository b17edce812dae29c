"""What is in an image: its layers unpacked on the fly, one on top of the other."""
