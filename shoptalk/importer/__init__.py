"""How messages come in: from platforms by polling, from history, from files."""
