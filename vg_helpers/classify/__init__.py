"""Fine-tuning: one task per network, its search, its training and what it says of a picture."""
