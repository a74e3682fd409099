"""Measurements, alternatives side by side: ``make bench``."""
