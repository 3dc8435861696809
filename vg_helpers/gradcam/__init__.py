"""Grad-CAM maps, and the checks that say whether they can be believed."""
