"""The figures, one function each; a module for each subject."""
