"""Neural style transfer: losses, the optimisation, its checks, its search and its measures."""
