"""Executing notebooks and rendering them as a report."""
