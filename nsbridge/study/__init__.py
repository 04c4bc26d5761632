"""Measuring, and drawing what was measured."""
