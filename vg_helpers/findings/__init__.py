"""What a run found, in sentences: one module per notebook, plain numbers in, text out."""
