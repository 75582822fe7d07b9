"""How answers go out: gather a turn, ask the model, write the delivery down, send it once."""
