"""Teachers: fine-tuned runs, bundles or checkpoints, whose logits say what a student should learn."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schemas.bundle import MANIFEST_FILE
from schemas.emotions import EMOTIONS
from training.course import DAMAGE, RUN_FILE, read_run
from training.errors import DataUnreadable, TeacherUnfit
from training.files import replaced
from training.progress import watched
from training.scoring import score
from worker.inference.bundle import sha256_of
from worker.inference.engine import load_engine

Logits = NDArray[np.float32]
_CONFIG_FILE = "config.json"
_MAX_TOKENS = 64


def teach(teachers: Sequence[Path], rows: pd.DataFrame, needed: NDArray[np.bool_], cache: Path) -> Logits:
    """The logits of each teacher, float32 ``[teachers, rows, 6]``; zeros where not ``needed``.

    What a teacher said is kept below ``cache``, so that an interrupted distillation does not ask again.

    Raises:
        DataUnreadable: a folder is no run, bundle or checkpoint.
        TeacherUnfit: a teacher has other labels than ours.
    """
    texts = list(rows.loc[needed, "cleaned"])
    cache.mkdir(parents=True, exist_ok=True)
    answers = np.zeros((len(teachers), len(rows), len(EMOTIONS)), np.float32)
    for answer, teacher in zip(answers, teachers, strict=True):
        answer[needed] = _remembered(teacher, texts, cache)
    return answers


def _remembered(path: Path, texts: list[str], cache: Path) -> Logits:
    asked = hashlib.sha256("\n".join([_sha256(path), *texts]).encode("utf-8", "surrogatepass"))
    file = cache / f"teacher-{asked.hexdigest()[:16]}.npy"
    if file.exists():
        known: Logits = np.load(file)
        return known
    logits = ask(path, texts)
    with replaced(file) as beside:
        np.save(beside, logits)
    return logits


def _sha256(path: Path) -> str:
    """Of the files that decide what a teacher says; another one at the same path has another."""
    if (path / MANIFEST_FILE).exists():
        patterns = [MANIFEST_FILE]  # it holds the sha256 of every other file
    elif (path / RUN_FILE).exists():
        patterns = [RUN_FILE, "best.*"]
    else:
        patterns = ["*.json", "*.safetensors", "*.bin"]
    files = sorted(file for pattern in patterns for file in path.glob(pattern))
    return hashlib.sha256(json.dumps([(file.name, sha256_of(file)) for file in files]).encode()).hexdigest()


def ask(path: Path, cleaned: list[str]) -> Logits:
    """The logits of one teacher for cleaned texts, float32 ``[n, 6]``.

    Raises:
        DataUnreadable: the folder is no run, bundle or checkpoint, or its files cannot be read.
        TeacherUnfit: it has other labels than ours.
    """
    if (path / MANIFEST_FILE).exists():
        engine = load_engine(path)  # refuses other labels itself
        return np.log(np.maximum(score(engine.predict_cleaned, cleaned, f"asking {path.name}"), 1e-9))
    if (path / RUN_FILE).exists():
        return _ask_run(path, cleaned)
    if (path / _CONFIG_FILE).exists():
        return _ask_checkpoint(path, cleaned)
    raise DataUnreadable(f"{path} is no teacher: name a run of `train`, a bundle, or a checkpoint with {_CONFIG_FILE}")


def _ask_run(path: Path, cleaned: list[str]) -> Logits:
    made = read_run(path)
    if made["kind"] == "lstm":
        raise DataUnreadable(f"{path} is a run of an LSTM; export it and name the bundle as the teacher")
    from training.encoder import encode, load_run, predict_logits  # noqa: PLC0415 - torch is loaded only here

    try:
        tokenizer, model = load_run(path)
    except RuntimeError as error:
        raise TeacherUnfit(
            f"{path} does not label with {len(EMOTIONS)} emotions ({str(error).splitlines()[0]})"
        ) from error
    return predict_logits(model, encode(tokenizer, cleaned, made["sizes"]["max_tokens"]), title=f"asking {path.name}")


def _ask_checkpoint(path: Path, cleaned: list[str]) -> Logits:
    import torch  # noqa: PLC0415 - loaded only here
    from safetensors import SafetensorError  # noqa: PLC0415 - as above
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415 - as above

    from training.encoder import encode, most_tokens  # noqa: PLC0415 - as above

    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model, loading = AutoModelForSequenceClassification.from_pretrained(path, output_loading_info=True)
    except (*DAMAGE, SafetensorError) as error:
        raise DataUnreadable(
            f"{path} cannot be read as a teacher; a checkpoint has {_CONFIG_FILE}, weights and tokenizer of a kind "
            f"that transformers knows ({str(error).partition(chr(10))[0]})"
        ) from error
    names = [str(model.config.id2label[i]).lower() for i in range(model.config.num_labels)]
    if sorted(names) != sorted(EMOTIONS):
        raise TeacherUnfit(f"{path} labels {', '.join(names)}, not {', '.join(EMOTIONS)}; set id2label in its config")
    if missing := sorted(loading["missing_keys"]):
        raise TeacherUnfit(f"{path} has no weights for {', '.join(missing[:3])}: it was not fine-tuned; train it first")
    model.float().eval()
    ids = encode(tokenizer, cleaned, most_tokens(model.base_model, _MAX_TOKENS))
    order = [names.index(emotion) for emotion in EMOTIONS]
    rows = []
    with torch.inference_mode(), watched(f"asking {path.name}", of=len(ids)) as advance:
        for one in ids:
            rows.append(model(input_ids=torch.tensor([one])).logits[0].float().numpy())
            advance("")
    return np.stack(rows)[:, order]
