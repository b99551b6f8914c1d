"""Reading files: HDF5 files as they come from anywhere, and rows of their arrays past HDF5's lock."""
