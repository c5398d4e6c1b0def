"""``python -m schemas`` writes the generated documents; with ``--check`` it says whether they are up to date."""

import sys

from schemas.documents import FOLDER, outdated, write


def main() -> int:
    """Exit code 1 where ``--check`` finds an outdated document."""
    if "--check" not in sys.argv[1:]:
        write()
        return 0
    for name in (names := outdated()):
        sys.stderr.write(f"{FOLDER / name} is outdated; run `python -m schemas`\n")
    return 1 if names else 0


if __name__ == "__main__":
    raise SystemExit(main())
