"""A data set by its name on the Hugging Face Hub, or the same layout in a local folder."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.data.rows import Row
from training.data.tables import SPLITS, SUFFIXES, Columns, read_table
from training.errors import DataUnreadable, HubUnreachable

_PARQUET_BRANCH = "refs/convert/parquet"
"""Where the Hub keeps every data set as Parquet, ``config/split/0000.parquet`` (Hub documentation, Parquet files)."""
_USUAL_CONFIGS = ("default", "split", "main")


def read_dataset(
    name: str, columns: Columns, *, endpoint: str | None = None, cache: Path | None = None
) -> Iterator[Row]:
    """Rows of ``owner/name`` or ``owner/name:config``, or of the files of a local folder.

    Names of integer labels come from the Parquet schema; the split from the name of the folder or file.

    ``endpoint`` names another Hub than huggingface.co (HF_ENDPOINT does too), ``cache`` where files are kept.

    Raises:
        HubUnreachable: the Hub does not answer, or has no such set.
        DataUnreadable: the set has several configurations, no files, or lacks a column.
    """
    folder = Path(name)
    source = (folder.name if folder.is_dir() else name.partition(":")[0]).replace("/", "-")
    files = _local(folder) if folder.is_dir() else _fetched(name, endpoint, cache)
    if not files:
        raise DataUnreadable(f"{name} holds no file ending in {', '.join(SUFFIXES)}")
    for path, split in files:
        for row in read_table(path, columns, source):
            yield row if row.split else row._replace(split=split)


def _local(folder: Path) -> list[tuple[Path, str]]:
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.removesuffix(".gz").endswith(SUFFIXES))
    return [(path, _split_of(path.relative_to(folder))) for path in found]


def _split_of(path: Path) -> str:
    for part in reversed(path.parts):
        for word in re.split("[^a-z]+", part.lower()):
            if split := SPLITS.get(word):
                return split
    return ""


def _fetched(name: str, endpoint: str | None, cache: Path | None) -> list[tuple[Path, str]]:
    from httpx import HTTPError  # noqa: PLC0415 - only where a set is fetched
    from huggingface_hub import HfApi  # noqa: PLC0415 - as above
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415 - as above

    repository, _, config = name.partition(":")
    hub: dict[str, Any] = {"repo_id": repository, "repo_type": "dataset", "revision": _PARQUET_BRANCH}
    api = HfApi(endpoint=endpoint)
    try:
        listed = [file for file in api.list_repo_files(**hub) if file.endswith(".parquet")]
        wanted = _of_config(name, config, listed)
        local = [Path(api.hf_hub_download(filename=file, cache_dir=cache, **hub)) for file in wanted]
    except (OSError, HTTPError, HfHubHTTPError, HFValidationError) as error:
        raise HubUnreachable(
            f"cannot get {repository} from the Hugging Face Hub ({str(error).splitlines()[0]}); try again with a "
            "network, give --dataset a local folder of its files, or --rows your own file"
        ) from error
    return [(path, _split_of(Path(file))) for path, file in zip(local, wanted, strict=True)]


def _of_config(name: str, config: str, files: list[str]) -> list[str]:
    configs = sorted({file.partition("/")[0] for file in files})
    if not config:
        usual = [known for known in _USUAL_CONFIGS if known in configs]
        if not usual and len(configs) > 1:
            raise DataUnreadable(f"{name} has several configurations: name one, e.g. --dataset {name}:{configs[0]}")
        config = (usual or configs or [""])[0]
    chosen = [file for file in files if file.startswith(f"{config}/")]
    if not chosen:
        raise DataUnreadable(
            f"{name} has no configuration {config!r}; it has {', '.join(configs) or 'no Parquet files'}"
        )
    return chosen
