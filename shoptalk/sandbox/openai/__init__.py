"""The model: OpenAI's two APIs, and what a test may script in them."""
