"""Chatwoot, in the cloud or self-hosted."""
