"""Twilio's messaging, played: SMS, MMS and WhatsApp of one account's numbers."""
