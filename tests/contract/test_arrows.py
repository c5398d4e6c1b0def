import re
import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "tensorflow", "keras", "transformers", "pandas", "sklearn", "onnx", "training")


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_whole_worker_runs_without_what_training_needs() -> None:
    modules = "worker.service, worker.commands.run, worker.commands.demo, worker.commands.dead, worker.commands.label"
    assert not loaded_by(f"import {modules}, worker.inference.engine, worker.inference.lstm") & set(HEAVY)


def test_help_loads_neither_faust_nor_a_runtime() -> None:
    assert not loaded_by("import worker.__main__") & {"faust", "onnxruntime", "confluent_kafka", "numpy"}


def test_only_the_settings_read_the_environment() -> None:
    hands_on = {
        "worker/commands/bench/stand.py",  # to the processes that it starts
        "training/graphs/encoder_files.py",  # sets a variable of a library
    }
    reading = re.compile(r"\bos\.(?:environ|getenv)\b|from os import")
    files = (file for package in ("schemas", "worker", "training") for file in Path(package).rglob("*.py"))
    assert {str(file) for file in files if reading.search(file.read_text())} == hands_on | {"worker/settings.py"}
