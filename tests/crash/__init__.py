"""What becomes of pushes and pulls when servers, disks and clients fail."""
