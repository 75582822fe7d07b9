"""One adapter a platform, behind one protocol (`base`). Nothing here knows the database."""
