"""Paintings on disk and what becomes of them: index, twins, splits, views, and how they are fetched."""
