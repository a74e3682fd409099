"""How good the vectors are: ``python -m benchmarks.quality``."""
