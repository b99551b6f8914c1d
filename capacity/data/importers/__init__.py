"""Importers: files of other formats become a data set file."""
