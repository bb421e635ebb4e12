"""``python -m tenward``: the command line."""

from tenward.cli import main

if __name__ == "__main__":
    main()
