"""Benchmarks: `python -m bench`, from the root of a checkout; see bench/README.md."""
