"""The use cases: load, decide, persist, act; one module per verb, over the ports alone."""
