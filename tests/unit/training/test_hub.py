"""The Hub's client against a small server that speaks its paths: list of files, headers of a file, the file."""

import hashlib
import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.data.hub import _split_of, read_dataset
from training.data.tables import Columns
from training.errors import DataUnreadable, HubUnreachable

COMMIT = "a" * 40


def parquet(texts: list[str]) -> bytes:
    features = {"label": {"names": ["sadness", "joy"], "_type": "ClassLabel"}}
    table = pa.table({"text": texts, "label": [1] * len(texts)})
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}})}), out)
    return out.getvalue()


FILES = {
    "split/train/0000.parquet": parquet(["so glad", "so happy"]),
    "split/validation/0000.parquet": parquet(["so merry"]),
    "unsplit/train/0000.parquet": parquet(["so glad"]),
}


class Hub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(send=True)

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the base class
        pass

    def _answer(self, *, send: bool) -> None:
        path = unquote(self.path).partition("?")[0]
        content: bytes | None = None
        if path.startswith("/api/datasets/team/moods/"):
            listed = [
                {"type": "file", "path": name, "size": len(body), "oid": "0" * 40} for name, body in FILES.items()
            ]
            siblings = [{"rfilename": name} for name in FILES]
            is_tree = "/tree/" in path
            content = json.dumps(
                listed if is_tree else {"id": "team/moods", "sha": COMMIT, "siblings": siblings}
            ).encode()
        elif "/resolve/" in path:
            content = next((body for name, body in FILES.items() if path.endswith(f"/{name}")), None)
        self.send_response(404 if content is None else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content or b"").hexdigest()}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.send_header("Content-Type", "application/json" if path.startswith("/api") else "application/octet-stream")
        self.end_headers()
        if send:
            self.wfile.write(content or b"")


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_set_of_the_hub_brings_its_splits_and_label_names(hub: str, tmp_path: Path) -> None:
    rows = list(read_dataset("team/moods", Columns(), endpoint=hub, cache=tmp_path))
    assert [(row.text, row.labels, row.source, row.split) for row in rows] == [
        ("so glad", ("joy",), "team-moods", "train"),
        ("so happy", ("joy",), "team-moods", "train"),
        ("so merry", ("joy",), "team-moods", "val"),
    ]
    chosen = read_dataset("team/moods:unsplit", Columns(), endpoint=hub, cache=tmp_path)
    assert [row.text for row in chosen] == ["so glad"]
    with pytest.raises(DataUnreadable, match="no configuration 'other'; it has split, unsplit"):
        list(read_dataset("team/moods:other", Columns(), endpoint=hub, cache=tmp_path))


def test_a_set_that_the_hub_does_not_have_is_told(hub: str, tmp_path: Path) -> None:
    with pytest.raises(HubUnreachable, match="cannot get team/none"):
        list(read_dataset("team/none", Columns(), endpoint=hub, cache=tmp_path))


def test_a_hub_out_of_reach_names_the_ways_without_it(tmp_path: Path) -> None:
    with pytest.raises(HubUnreachable, match="a local folder of its files, or --rows"):
        list(read_dataset("dair-ai/emotion", Columns(), endpoint="http://127.0.0.1:9", cache=tmp_path))


def test_a_local_folder_is_read_as_the_hub_is(tmp_path: Path) -> None:
    folder = tmp_path / "moods"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train-00000-of-00001.parquet").write_bytes(FILES["split/train/0000.parquet"])
    (folder / "test.jsonl").write_text('{"text": "oh no", "label": "fear"}\n')
    rows = {row.text: (row.source, row.split) for row in read_dataset(str(folder), Columns())}
    assert rows == {"so glad": ("moods", "train"), "so happy": ("moods", "train"), "oh no": ("moods", "test")}
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataUnreadable, match="holds no file"):
        list(read_dataset(str(tmp_path / "empty"), Columns()))


def test_a_copy_of_a_repository_has_the_configurations_of_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "moods"
    for name, text in (("split/train", "so glad"), ("split/test", "so merry"), ("unsplit/data/train", "so happy")):
        path = folder / f"{name}-00000-of-00001.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"text": "{text}", "label": "joy"}}\n')
    (folder / "dataset_infos.json").write_text('{\n "split": {}\n}')
    (folder / ".cache").mkdir()
    (folder / ".cache" / "train.json").write_text("{}")
    assert [row.text for row in read_dataset(str(folder), Columns())] == ["so merry", "so glad"]
    assert [(row.text, row.source) for row in read_dataset(f"{folder}/:unsplit", Columns())] == [("so happy", "moods")]
    with pytest.raises(DataUnreadable, match="no configuration 'other'; it has split, unsplit"):
        list(read_dataset(f"{folder}:other", Columns()))
    (folder / "split").rename(folder / "divided")
    with pytest.raises(DataUnreadable, match=r"several configurations \(divided, unsplit\): name one, .*moods:unsplit"):
        list(read_dataset(str(folder), Columns()))


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("emotion-labels-test.csv.gz", "test"),
        ("split/validation/0000.parquet", "val"),
        ("tweets_train.csv", "train"),
        ("train-00000-of-00001.parquet", "train"),
        ("testimonials.csv", ""),
        ("developers.jsonl", ""),
    ],
)
def test_a_split_is_told_by_a_whole_word_of_the_name(path: str, split: str) -> None:
    assert _split_of(Path(path)) == split
