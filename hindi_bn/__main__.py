"""`python -m hindi_bn`: the command line where `hindi-bn` is not on the path, as on Windows."""

from hindi_bn.cli import main

if __name__ == "__main__":
    main()
