"""Recorded demonstrations on disk, whatever wrote them."""
