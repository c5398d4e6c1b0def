"""Reading and writing of bundles: folders of a manifest, a graph, a tokenizer and golden cases. No pickle, no code."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.bundle import MANIFEST_FILE, BundleManifest
from schemas.emotions import EMOTIONS
from worker.inference.cleaning import cleaner_id
from worker.inference.errors import BundleMissing, BundleTampered, BundleUnfit

TOKENIZER_FILE = "tokenizer.json"
GOLDEN_FILE = "golden.json"
CARD_FILE = "README.md"
REQUIRED_FILES = (TOKENIZER_FILE, GOLDEN_FILE)
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Golden:
    """A raw text and the probabilities (order of ``EMOTIONS``) that the bundle gave it at export."""

    text: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk."""

    folder: Path
    manifest: BundleManifest
    golden: tuple[Golden, ...]


def read_bundle(folder: Path) -> Bundle:
    """Verify every file of a bundle.

    Raises:
        BundleMissing: the folder or a file is not there.
        BundleTampered: a file differs from the manifest, or is not named there.
        BundleUnfit: other format version, labels or cleaner, or a file that cannot be read.
    """
    if not folder.is_dir():
        raise BundleMissing(f"no bundle folder at {folder}; name one with --bundle (WORKER_BUNDLE)")
    manifest = _read_manifest(folder / MANIFEST_FILE)
    _check_fit(folder, manifest)
    _check_files(folder, manifest)
    return Bundle(folder, manifest, _read_golden(folder / GOLDEN_FILE))


def _read_manifest(path: Path) -> BundleManifest:
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleMissing(f"{path} is missing: this folder is no bundle; export one with `training export`") from None
    except (OSError, ValueError) as error:
        raise BundleUnfit(f"{path} cannot be read as JSON ({error}); export the bundle again") from error
    version = raw.get("format_version") if isinstance(raw, dict) else None
    known = BundleManifest.model_fields["format_version"].default
    if version != known:
        raise BundleUnfit(f"{path} has format_version {version!r}, this code reads {known}; export the bundle again")
    try:
        return BundleManifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BundleUnfit(f"{path}: {field}: {first['msg']}; export the bundle again") from error


def _check_fit(folder: Path, manifest: BundleManifest) -> None:
    if manifest.labels != EMOTIONS:
        raise BundleUnfit(f"{folder}: labels {manifest.labels} are not {EMOTIONS}; train it for these labels")
    if manifest.cleaner_id != cleaner_id():
        raise BundleUnfit(
            f"{folder}: trained with cleaner {manifest.cleaner_id}, this code cleans as {cleaner_id()}; "
            "train again, or use the release of this project that made it"
        )


def _check_files(folder: Path, manifest: BundleManifest) -> None:
    for name in (*REQUIRED_FILES, *manifest.files):
        if name not in manifest.files:
            raise BundleTampered(f"{folder / MANIFEST_FILE} names no {name}; export the bundle again")
        if Path(name).name != name:
            raise BundleTampered(f"{folder / MANIFEST_FILE} names {name!r}, which is outside the folder")
    present = {path.name for path in folder.iterdir()} - {MANIFEST_FILE}
    for name, wanted in manifest.files.items():
        if name not in present or not (folder / name).is_file():
            raise BundleMissing(f"{folder / name} is missing; fetch or export the bundle again")
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise BundleUnfit(f"{folder / name} cannot be read ({error.strerror}); check who may read it") from error
        if found != wanted:
            raise BundleTampered(f"{folder / name} is not the file that was exported (sha256); fetch the bundle again")
    if extra := sorted(present - set(manifest.files)):
        raise BundleTampered(f"{folder / extra[0]} is not named in the manifest; remove it or export again")


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read_golden(path: Path) -> tuple[Golden, ...]:
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))
        golden = tuple(Golden(case["text"], tuple(map(float, case["probabilities"]))) for case in cases)
    except (ValueError, TypeError, KeyError) as error:
        raise BundleUnfit(f"{path} holds no golden cases ({error}); export the bundle again") from error
    if not golden or any(len(case.probabilities) != len(EMOTIONS) for case in golden):
        raise BundleUnfit(f"{path} needs cases with {len(EMOTIONS)} probabilities each; export the bundle again")
    return golden


def may_be_written(folder: Path) -> bool:
    """Whether a bundle may take the place of what is there: nothing, an empty folder or another bundle."""
    if not folder.is_dir():
        return not folder.exists()
    return (folder / MANIFEST_FILE).exists() or not any(folder.iterdir())


def write_bundle(folder: Path, fields: Mapping[str, Any], files: Mapping[str, bytes]) -> BundleManifest:
    """Write a bundle in one step: the folder is whole or not there; an older one of that name is replaced.

    Args:
        folder: where the bundle goes.
        fields: all of `BundleManifest` but ``files`` and ``cleaner_id``.
        files: name -> content; golden cases and tokenizer among them.

    Raises:
        BundleUnfit: something that is no bundle is there.
    """
    if not may_be_written(folder):
        raise BundleUnfit(f"{folder} holds something that is no bundle; name another folder, or remove it")
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = BundleManifest(**fields, cleaner_id=cleaner_id(), files=hashes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        new = Path(made) / "new"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        (new / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        old = Path(made) / "old"
        try:
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise
    return manifest
