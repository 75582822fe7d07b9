"""The rule-based clerk that answers as the model: it reads, works out, words."""
