"""Bundles, root file systems, runc and networks; knows no bridge."""
