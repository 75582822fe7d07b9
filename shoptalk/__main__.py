"""`python -m shoptalk` is the console script."""

from shoptalk.cli import main

if __name__ == "__main__":
    main()
