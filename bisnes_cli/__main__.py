"""`python -m bisnes_cli`: the `bisnes` command."""

from bisnes_cli.main import main

if __name__ == "__main__":
    main(prog_name="bisnes")
