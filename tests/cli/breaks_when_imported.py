raise RuntimeError("its own fault")
