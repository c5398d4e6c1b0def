"""From prepared rows to a run folder; the commands call these."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.bundle import MANIFEST_FILE
from training.course import RUN_FILE, VOCABULARY_FILE, Course, Plan, begin, read_run
from training.data.prepare import fingerprint
from training.data.rows import TARGETS, accepted, validation_rows
from training.errors import DataUnreadable, ExportRefused, SettingUnfit
from training.files import replaced
from training.lessons import Lesson, plain_lesson

NO_VECTORS = "no word vectors; name them with --glove or --data, or a run or bundle with --start"


def train_encoder(
    prepared: pd.DataFrame,
    name: str,
    run: Path,
    *,
    lesson: Lesson | None = None,
    start: Path | None = None,
    sources: Sequence[str] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Fine-tune an encoder on a lesson; default: the labelled rows, of ``sources`` only if any are named.

    ``prepared`` are the rows that `read_rows` gives. ``start`` is a run or a bundle of the same
    base, whose weights to begin with; ``settings`` are of `EncoderSettings`. An interrupted run goes on. Returns what
    the run says of itself.

    Raises:
        DataUnreadable: no encoder or run where one is named.
        SettingUnfit: ``start`` is of another base, or more layers are to be frozen than there are.
        TooFewRows: no validation rows.
        FolderTaken: ``run`` was begun with other settings or rows, or another process is at work there.
        DiskFull: no room for a checkpoint.
        Interrupted: by Ctrl-C; the same call goes on.
    """
    import torch  # noqa: PLC0415 - loaded only here

    from training.encoder import EncoderSettings, encode, freeze, load_encoder, most_tokens, save_encoder  # noqa: PLC0415 - torch
    from training.fine_tuning import FineTuning  # noqa: PLC0415 - torch

    rows, prepared_sha256 = _rows(prepared, sources)
    chosen = EncoderSettings(**settings)
    lesson = lesson or plain_lesson(rows)
    torch.manual_seed(chosen.seed)
    tokenizer, model = load_encoder(name)
    chosen = replace(chosen, max_tokens=most_tokens(model.encoder, chosen.max_tokens))
    if why := _not_served(name, tokenizer, model):
        print(f"{why}: this run may teach others, but cannot be exported", file=sys.stderr)  # noqa: T201 - before hours
    if start is not None:
        from training.encoder_start import begin_with  # noqa: PLC0415 - OpenVINO

        begin_with(tokenizer, model, start)
    freeze(model.encoder, chosen.frozen_layers)
    train, validation = rows[lesson.learned], validation_rows(rows)
    ids, held_out = (encode(tokenizer, list(part["cleaned"]), chosen.max_tokens) for part in (train, validation))
    grading = validation[TARGETS].to_numpy()
    begin(run, _mark("encoder", name, start, chosen), ids, lesson.targets, lesson.weights, held_out, grading)
    if (run / RUN_FILE).exists():
        return _finished(run)
    learner = FineTuning(model, (ids, lesson.targets, lesson.weights), held_out, chosen)
    save_encoder(run, tokenizer, model)
    report = {
        "kind": "encoder",
        "base": name,
        **_story(rows, lesson, prepared_sha256, start),
        "sizes": asdict(chosen),
        "precision": str(learner.precision),
        "libraries": {library: version(library) for library in ("torch", "transformers")},
    }
    plan = Plan(chosen.epochs, checkpoint_minutes=chosen.checkpoint_minutes)
    return _take(Course(learner, plan, accepted(grading)), run, report)


def _not_served(name: str, tokenizer: Any, model: Any) -> str | None:
    from training.graphs.encoder_graph import check_layout  # noqa: PLC0415 - OpenVINO

    try:
        check_layout(model.encoder.config)
    except ExportRefused as refusal:
        return str(refusal)
    return None if tokenizer.is_fast else f"{name} has no fast tokenizer (tokenizer.json)"


def train_lstm(
    prepared: pd.DataFrame,
    glove: Path | None,
    run: Path,
    *,
    preset: str | None = None,
    lesson: Lesson | None = None,
    start: Path | None = None,
    sources: Sequence[str] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Train the LSTM on a lesson; default: the labelled rows, of ``sources`` only if any are named.

    ``prepared`` are the rows that `read_rows` gives. ``start`` is a run or a bundle whose weights
    and vocabulary to begin with; without it ``glove`` gives both the vectors and the vocabulary. ``settings`` are of
    `LstmSettings` and override the preset's (default: product). An interrupted run goes on. Returns what the run says
    of itself.

    Raises:
        DataUnreadable: neither ``start`` nor ``glove``, or one of them cannot be read.
        SettingUnfit: ``start`` has other units than are asked for.
        TooFewRows: no validation rows.
        FolderTaken: ``run`` was begun with other settings or rows, or another process is at work there.
        DiskFull: no room for a checkpoint.
        Interrupted: by Ctrl-C; the same call goes on.
    """
    from training import lstm, lstm_fitting, lstm_start, words  # noqa: PLC0415 - TensorFlow is loaded only here

    rows, prepared_sha256 = _rows(prepared, sources)
    chosen = lstm.LstmSettings(**{**asdict(lstm.PRESETS[preset or "product"]), **settings})
    lesson = lesson or plain_lesson(rows)
    train, validation = rows[lesson.learned], validation_rows(rows)
    lstm_fitting.repeatable(chosen.seed)
    if start is not None:
        is_bundle = (start / MANIFEST_FILE).exists()
        begun = lstm_start.from_bundle(start, chosen) if is_bundle else lstm_start.from_run(start, chosen)
        if (preset or "units" in settings) and begun.settings.units != tuple(chosen.units):
            units = " ".join(map(str, begun.settings.units))
            raise SettingUnfit(f"{start} has {units} units; name those, or neither --units nor --preset")
    elif glove is not None:
        texts = rows.loc[rows["split"].isin(("train", "unlabelled")), "cleaned"]
        begun = lstm_start.fresh(list(texts), glove, chosen)
    else:
        raise DataUnreadable(NO_VECTORS)
    tokenizer = words.build_tokenizer(begun.vocabulary)
    tokenizer.enable_truncation(chosen.max_tokens)
    ids, held_out = (words.encode(tokenizer, part["cleaned"]) for part in (train, validation))
    grading = validation[TARGETS].to_numpy()
    mark = _mark("lstm", begun.base, start, begun.settings)
    begin(run, mark, ids, lesson.targets, lesson.weights, held_out, grading)
    if (run / RUN_FILE).exists():
        return _finished(run)
    with replaced(run / VOCABULARY_FILE) as path:
        path.write_text(json.dumps({"vocabulary": begun.vocabulary, "trained": begun.trained}), encoding="utf-8")
    learner = lstm_fitting.LstmFitting(begun.model, (ids, lesson.targets, lesson.weights), held_out, begun.settings)
    report = {
        "kind": "lstm",
        "base": begun.base,
        **_story(rows, lesson, prepared_sha256, start),
        "sizes": asdict(begun.settings),
        "libraries": lstm.libraries(),
    }
    plan = Plan(begun.settings.epochs, begun.settings.patience, begun.settings.checkpoint_minutes)
    return _take(Course(learner, plan, accepted(grading)), run, report)


def _rows(prepared: pd.DataFrame, sources: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """The rows of ``sources``, all if none is named, and the `fingerprint` of all."""
    there = sorted(set(prepared["source"]))
    if missing := sorted(set(sources) - set(there)):
        raise DataUnreadable(
            f"the prepared set has no rows of {', '.join(missing)}; its sources are {', '.join(there)}"
        )
    chosen = prepared[prepared["source"].isin(sources)].reset_index(drop=True) if sources else prepared
    return chosen, fingerprint(prepared)


def _mark(kind: str, base: str, start: Path | None, settings: Any) -> dict[str, Any]:
    """What must be the same for an interrupted run to go on."""
    known = {"kind": kind, "base": base, "start": start and str(start), **asdict(settings)}
    return {name: value for name, value in known.items() if name != "checkpoint_minutes"}


def _story(rows: pd.DataFrame, lesson: Lesson, prepared_sha256: str, start: Path | None) -> dict[str, Any]:
    """What a run says of its rows and teachers, for the model card and `export`."""
    learned = {str(source): int(n) for source, n in rows.loc[lesson.learned, "source"].value_counts().items()}
    return {
        "teachers": [teacher.name for teacher in lesson.teachers],
        "other_teachers": [t.name for t in lesson.teachers if _may_know_others(t, prepared_sha256)],
        "learned": learned,
        "prepared_sha256": prepared_sha256,
        "other_rows": start is not None and _may_know_others(start, prepared_sha256),
    }


def _may_know_others(model: Path, prepared_sha256: str) -> bool:
    """Whether nothing says that a run, bundle or checkpoint, and all that taught it, learned from these rows alone."""
    if not (model / RUN_FILE).exists():
        return True
    made = read_run(model)
    other_teachers = made.get("other_teachers", made.get("teachers"))  # older runs do not say what theirs knew
    return made.get("prepared_sha256") != prepared_sha256 or bool(made.get("other_rows") or other_teachers)


def _take(course: Course[Any], run: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Train, and write the report with the history of the epochs beside the weights."""
    report = {**report, "history": course.take(run)}
    with replaced(run / RUN_FILE) as path:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    course.finish(run)
    return report


def _finished(run: Path) -> dict[str, Any]:
    print(f"{run} holds this run, finished")  # noqa: T201 - why the command ends at once
    return read_run(run)
