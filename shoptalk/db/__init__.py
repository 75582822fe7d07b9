"""Storage: PostgreSQL only. Nothing here knows a platform, a model or a clock."""
