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
_DESCRIPTIONS = frozenset({"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json"})
"""What ``datasets`` writes beside the rows."""


def read_dataset(
    name: str, columns: Columns, *, endpoint: str | None = None, cache: Path | None = None
) -> Iterator[Row]:
    """Rows of ``owner/name`` or ``owner/name:config``, or of the files of a local folder, or of ``folder:config``.

    Names of integer labels come from the Parquet schema; the split from the name of the folder or file. A configuration
    of a local folder is a folder in it that is named after no split, but ``data``.

    ``endpoint`` names another Hub than huggingface.co (HF_ENDPOINT does too), ``cache`` where files are kept.

    Raises:
        HubUnreachable: the Hub does not answer, or has no such set.
        DataUnreadable: the set has several configurations, no files, or lacks a column.
    """
    local = local_folder(name)
    source = (local[0].name if local else name.partition(":")[0]).replace("/", "-")
    files = _local(name, *local) if local else _fetched(name, endpoint, cache)
    if not files:
        raise DataUnreadable(
            f"{name} holds no file ending in {', '.join(SUFFIXES)}; a set of `save_to_disk` can be written with "
            "`to_parquet`"
        )
    for path, split in files:
        for row in read_table(path, columns, source):
            yield row if row.split else row._replace(split=split)


def local_folder(name: str) -> tuple[Path, str] | None:
    """The folder and the configuration that ``folder`` or ``folder:config`` names; None: it is a name of the Hub."""
    before, _, config = name.rpartition(":")
    if Path(name).is_dir():
        return Path(name), ""
    return (Path(before), config) if before and Path(before).is_dir() else None


def _local(name: str, folder: Path, config: str) -> list[tuple[Path, str]]:
    inside = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {
        path: _config_of(path)
        for path in inside
        if path.name.removesuffix(".gz").endswith(SUFFIXES)
        and path.name not in _DESCRIPTIONS
        and not any(part.startswith(".") for part in path.parts)
    }
    chosen = _config(name, config, sorted(set(found.values()))) if found else ""
    return [(folder / path, _split_of(path)) for path in found if found[path] == chosen]


def _config_of(path: Path) -> str:
    return next((part for part in path.parts[:-1] if part != "data" and not _split_of(Path(part))), "")


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
    config = _config(name, config, sorted({file.partition("/")[0] for file in files}))
    return [file for file in files if file.startswith(f"{config}/")]


def _config(name: str, wanted: str, configs: list[str]) -> str:
    """The wanted one, or the one that is usual, or the only one."""
    if not wanted:
        usual = [known for known in _USUAL_CONFIGS if known in configs]
        if not usual and len(configs) > 1:
            raise DataUnreadable(
                f"{name} has several configurations ({', '.join(filter(None, configs))}): name one, e.g. --dataset "
                f"{name}:{configs[-1]}"
            )
        return (usual or configs or [""])[0]
    if wanted not in configs:
        raise DataUnreadable(
            f"{name} has no configuration {wanted!r}; it has {', '.join(configs) or 'no Parquet files'}"
        )
    return wanted
