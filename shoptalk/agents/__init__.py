"""What the AI is: prompts, models, tools, replies. Knows no platform and no outbox."""
