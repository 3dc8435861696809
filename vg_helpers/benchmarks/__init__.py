"""What is timed and measured by hand, and what 05_gpu_bench times."""
