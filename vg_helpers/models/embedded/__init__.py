"""The weights that come with the project, and the script that made them."""
