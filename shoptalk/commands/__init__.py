"""The click commands, one noun a file: parse, call, print. `shoptalk.cli` finds them by name."""
