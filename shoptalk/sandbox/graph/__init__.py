"""The Graph API: Messenger, Instagram and the sending half of WhatsApp."""
