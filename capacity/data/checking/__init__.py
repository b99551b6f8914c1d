"""Checking a data set file: all that is wrong with it, in one pass."""
