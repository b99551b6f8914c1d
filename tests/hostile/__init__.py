"""Hostile and broken data files, made from valid ones, and what every command must do with them.

`corpus.FORMATS` is the table of formats: a row is a format. `python -m tests.hostile NAME` runs one case again, `python
-m tests.hostile` counts the cases of each format.
"""
