"""A worker that starts where something is not as it should be, and what it says of it."""

from pathlib import Path

import pytest

from tests.stream import START_BOUND_S, Stream, tweets, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("broker", ["embedded"], indirect=True)]
CANNOT_HAVE = 73


def test_two_workers_on_one_data_folder_are_told_so(stream: Stream, tmp_path: Path) -> None:
    stream.start()
    wait_for(lambda: stream.get("/readyz")["ready"], START_BOUND_S)
    with Stream(stream.kafka, stream.worker, tmp_path / "second.log") as second:
        second.start()
        assert second.ended() == CANNOT_HAVE
        said = second.log.read_text().splitlines()
        assert len(said) == 1
        assert said[0].startswith(f"error: another worker uses the data folder {stream.worker.data_dir}; ")
        stream.kill()
        second.start()
        second.produce(tweets(40))
        second.check_exact(40)


def test_a_data_folder_that_cannot_be_made_is_a_warning_and_costs_no_tweet(stream: Stream, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stream.produce(tweets(40))
    stream.start(WORKER_DATA_DIR=str(tmp_path / "file"))
    stream.check_exact(40)
    assert stream.terminate() == 0
    (said,) = [line for line in stream.log.read_text().splitlines() if '"level": "warning"' in line]
    assert "cannot be written" in said
    assert str(tmp_path / "file") in said
    assert "--data-dir" in said
