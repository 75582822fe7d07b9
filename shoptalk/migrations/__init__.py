"""Alembic's room: every change of schema, in order."""
