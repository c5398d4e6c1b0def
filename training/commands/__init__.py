"""The subcommands of ``python -m training``; each imports what it needs when it runs, so that ``--help`` is quick."""
