"""Boxes, vectors and rankings: numpy only, no dataset in sight."""
