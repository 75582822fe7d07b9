"""The platforms and the model, played locally over HTTP, vices included."""
