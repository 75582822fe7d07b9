"""Chatwoot's application API, played from the same world as the other platforms."""
