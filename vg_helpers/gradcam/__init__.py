"""Grad-CAM maps, the texture judge's evidence place by place, and the checks that say whether maps can be believed."""
