"""What a person sees of the commands: whole, in any terminal, and something after each Ctrl-C."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from worker.__main__ import main
from worker.brokers import free_port
from worker.commands.bench.load import make_load
from worker.commands.produce import send_all
from worker.commands.reading import Item
from worker.settings import KafkaSettings


def test_a_cleaned_text_is_shown_as_it_is(tiny_bundle: Path) -> None:
    shown = (
        CliRunner().invoke(main, ["label", "--bundle", str(tiny_bundle), "so happy :heart: [bold] \U0001f602"]).output
    )
    assert "  cleaned  so happy :heart: [bold] :face with tears of joy:\n" in shown


def test_what_a_terminal_s_encoding_lacks_ends_no_command(tiny_bundle: Path) -> None:
    answer = CliRunner(charset="latin-1").invoke(main, ["label", "--bundle", str(tiny_bundle), "so happy"])
    assert answer.exit_code == 0, answer.output


def test_a_second_ctrl_c_says_how_many_were_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def items() -> Iterator[Item]:
        yield Item(None, b"so happy")
        yield Item(None, b"so sad")
        raise KeyboardInterrupt

    class Impatient(send_all.__globals__["Producer"]):  # type: ignore[name-defined]
        def flush(self) -> int:
            raise KeyboardInterrupt

    monkeypatch.setitem(send_all.__globals__, "Producer", Impatient)
    sent = send_all(KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}"), items())
    assert (sent.interrupted, sent.confirmed, sent.waiting) == (True, 0, 2)


def test_texts_that_give_too_few_different_tweets_are_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"of 2 texts no 400 different ones can be made; take fewer --tweets"):
        make_load(["so happy", "so sad"], 400)
    answer = CliRunner().invoke(main, ["bench", "compare", "--encoder", str(tmp_path)])
    assert f"no bundle at {tmp_path}; name one with --encoder" in answer.output
