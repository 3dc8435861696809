"""The words of run.py, one module each."""
