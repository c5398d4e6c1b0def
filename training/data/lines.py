"""Decoded lines of a file, plain or gzipped, in the encoding that somebody named."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from training.errors import DataUnreadable

_GZIP = b"\x1f\x8b"


def open_lines(path: Path, encoding: str) -> Iterator[str]:
    """Decoded lines with their ends, of a plain or a gzipped file.

    Raises:
        DataUnreadable: the file cannot be opened, or a line is in another encoding; the line is named.
    """
    number = 0
    try:
        with _opened(path) as file:
            lines: Iterable[Any] = file
            if encoding.lower().startswith(("utf-16", "utf-32", "utf16", "utf32")):
                lines = io.TextIOWrapper(file, encoding=encoding, newline="")
            for number, line in enumerate(lines, 1):
                if isinstance(line, str):
                    yield line
                else:
                    yield line.decode("utf-8" if encoding == "utf-8-sig" and number > 1 else encoding)
    except UnicodeError as error:
        raise DataUnreadable(f"{path}, line {number}: not in {encoding} ({error}); {_mend(path)}") from error
    except LookupError as error:
        raise DataUnreadable(f"{error}; name one that Python knows with --encoding, e.g. utf-8 or latin-1") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataUnreadable(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}; check the path"
        ) from error


def _mend(path: Path) -> str:
    with _opened(path) as file:
        start = file.read(2)
    if start == _GZIP:
        return "it is gzipped, so let its name end in .gz"
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "it begins as UTF-16 does: --encoding utf-16"
    return "name its encoding with --encoding, e.g. latin-1"


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
