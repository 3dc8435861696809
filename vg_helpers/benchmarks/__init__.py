"""Timings and measurements: those of 05_gpu_bench, and some to run by hand."""
