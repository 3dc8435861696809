"""Helpers of the six notebooks: each module can be read and tested alone."""
