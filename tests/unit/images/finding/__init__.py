"""Tests of what finds images in manifests."""
