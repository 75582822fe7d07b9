"""shoptalk answers a shop's inbox by polling: nothing lost, nothing answered twice."""

__version__ = "0.1.0"
