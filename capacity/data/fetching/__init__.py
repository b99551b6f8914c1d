"""Fetching well-known data sets: the catalogue, downloads and the cache."""
