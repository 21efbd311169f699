"""``python -m teachmatters`` is ``tm``."""

from teachmatters.cli.app import main

if __name__ == "__main__":
    main()
