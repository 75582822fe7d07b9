"""Use cases that commands, and later the API and pages, share."""
