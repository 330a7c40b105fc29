"""`python -m bioconv`."""

from bioconv.cli.main import main

if __name__ == "__main__":
    main()
