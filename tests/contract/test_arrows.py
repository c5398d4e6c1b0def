import subprocess
import sys

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
