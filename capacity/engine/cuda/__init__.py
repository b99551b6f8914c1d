"""The `cuda` device: kernels compiled at run time, a step recorded once and replayed."""
