"""`python -m lreg` is the command `lreg`."""

from lreg.cli import main

if __name__ == "__main__":
    main()
