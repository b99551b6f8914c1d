"""How models run: the op table, tapes, programs and the executors that run them."""
