"""The embedded data set: procedural painters, their scenes and subjects."""
