"""Messenger, Instagram and WhatsApp over Meta's Graph API."""
