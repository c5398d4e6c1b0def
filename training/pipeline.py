"""The steps from prepared rows to a run folder to a bundle; the commands call these."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.bundle import MANIFEST_FILE, BundleManifest
from training.card import short_name
from training.course import DAMAGE, RUN_FILE, Course, Plan, begin
from training.data.prepare import fingerprint
from training.data.rows import TARGETS, is_certain, read_rows
from training.errors import DataUnreadable, ExportRefused, FolderTaken, SettingUnfit, TooFewRows
from training.export import Candidate, export
from training.files import replaced
from training.lessons import Lesson, plain_lesson
from training.pruning import prune
from worker.inference.bundle import TOKENIZER_FILE, may_be_written
from worker.inference.encoder import cpu_flags

VOCABULARY_FILE = "vocabulary.json"
TYPICAL_TEXTS = 1_200  # of the training rows tell the scales of int8 activations


def train_encoder(
    prepared: Path,
    name: str,
    run: Path,
    *,
    lesson: Lesson | None = None,
    start: Path | None = None,
    sources: Sequence[str] = (),
    **sizes: Any,
) -> dict[str, Any]:
    """Fine-tune an encoder on a lesson; default: the labelled rows, of ``sources`` only if any are named.

    ``start`` is a run or a bundle of the same base, whose weights to begin with. An interrupted run goes on.

    Raises:
        DataUnreadable: no encoder or run where one is named.
        SettingUnfit: ``start`` is of another base, or more layers are to be frozen than there are.
        FolderTaken: ``run`` was begun with other settings or rows.
        DiskFull: no room for a checkpoint.
    """
    import torch  # noqa: PLC0415 - loaded only here

    from training.encoder import EncoderSizes, encode, freeze, load_encoder, save_encoder  # noqa: PLC0415 - torch
    from training.fine_tuning import FineTuning  # noqa: PLC0415 - torch

    rows, prepared_sha256 = _rows(prepared, sources)
    chosen = EncoderSizes(**sizes)
    lesson = lesson or plain_lesson(rows)
    torch.manual_seed(chosen.seed)
    tokenizer, model = load_encoder(name)
    if start is not None:
        from training.encoder_start import begin_with  # noqa: PLC0415 - OpenVINO

        begin_with(tokenizer, model, start)
    freeze(model.encoder, chosen.frozen_layers)
    train, validation = rows[lesson.learned], _validation(rows)
    ids, held_out = (encode(tokenizer, list(part["cleaned"]), chosen.max_tokens) for part in (train, validation))
    grading = validation[TARGETS].to_numpy()
    begin(run, _settings("encoder", name, start, chosen), ids, lesson.targets, lesson.weights, held_out, grading)
    if (run / RUN_FILE).exists():
        return _finished(run)
    learner = FineTuning(model, (ids, lesson.targets, lesson.weights), held_out, chosen)
    save_encoder(run, tokenizer, model)
    plan = Plan(chosen.epochs, checkpoint_minutes=chosen.checkpoint_minutes)
    course = Course(learner, plan, grading.argmax(1))
    report = {"sizes": asdict(chosen), "history": course.take(run), "precision": str(learner.precision)}
    return _finish(run, course, {"kind": "encoder", "base": name, **_story(rows, lesson, prepared_sha256), **report})


def train_lstm(
    prepared: Path,
    glove: Path | None,
    run: Path,
    *,
    preset: str,
    lesson: Lesson | None = None,
    start: Path | None = None,
    sources: Sequence[str] = (),
    **sizes: Any,
) -> dict[str, Any]:
    """Train the LSTM on a lesson; default: the labelled rows, of ``sources`` only if any are named.

    ``start`` is a run or a bundle whose weights and vocabulary to begin with; without it ``glove`` gives both the
    vectors and the vocabulary. ``sizes`` override the preset's. An interrupted run goes on where it was.

    Raises:
        DataUnreadable: neither ``start`` nor ``glove``, or one of them cannot be read.
        FolderTaken: ``run`` was begun with other settings or rows.
        DiskFull: no room for a checkpoint.
    """
    from training import lstm, lstm_fitting, lstm_start, words  # noqa: PLC0415 - TensorFlow is loaded only here

    rows, prepared_sha256 = _rows(prepared, sources)
    chosen = lstm.LstmSizes(**{**asdict(lstm.PRESETS[preset]), **sizes})
    lesson = lesson or plain_lesson(rows)
    train, validation = rows[lesson.learned], _validation(rows)
    lstm_fitting.repeatable(chosen.seed)
    if start is not None:
        is_bundle = (start / MANIFEST_FILE).exists()
        begun = lstm_start.from_bundle(start, chosen) if is_bundle else lstm_start.from_run(start, chosen)
    elif glove is not None:
        texts = rows.loc[rows["split"].isin(("train", "unlabelled")), "cleaned"]
        begun = lstm_start.fresh(list(texts), glove, chosen)
    else:
        raise DataUnreadable("no word vectors; name them with --glove or --data, or a run or bundle with --start")
    tokenizer = words.build_tokenizer(begun.vocabulary)
    tokenizer.enable_truncation(chosen.max_tokens)
    ids, held_out = (words.encode(tokenizer, part["cleaned"]) for part in (train, validation))
    settings, grading = _settings("lstm", begun.base, start, begun.sizes), validation[TARGETS].to_numpy()
    begin(run, settings, ids, lesson.targets, lesson.weights, held_out, grading)
    if (run / RUN_FILE).exists():
        return _finished(run)
    with replaced(run / VOCABULARY_FILE) as path:
        path.write_text(json.dumps({"vocabulary": begun.vocabulary, "trained": begun.trained}), encoding="utf-8")
    learner = lstm_fitting.LstmFitting(begun.model, (ids, lesson.targets, lesson.weights), held_out, begun.sizes)
    plan = Plan(begun.sizes.epochs, begun.sizes.patience, begun.sizes.checkpoint_minutes)
    course = Course(learner, plan, grading.argmax(1))
    report = {"sizes": asdict(begun.sizes), "history": course.take(run)}
    return _finish(run, course, {"kind": "lstm", "base": begun.base, **_story(rows, lesson, prepared_sha256), **report})


def _rows(prepared: Path, sources: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """The rows of ``sources``, and the `fingerprint` of all."""
    sha256 = fingerprint(read_rows(prepared))
    return read_rows(prepared, sources), sha256


def _settings(kind: str, base: str, start: Path | None, sizes: Any) -> dict[str, Any]:
    known = {"kind": kind, "base": base, "start": start and str(start), **asdict(sizes)}
    return {name: value for name, value in known.items() if name != "checkpoint_minutes"}


def _story(rows: pd.DataFrame, lesson: Lesson, prepared_sha256: str) -> dict[str, Any]:
    """What a run says of its rows and teachers, for the model card and `export`."""
    learned = {str(source): int(n) for source, n in rows.loc[lesson.learned, "source"].value_counts().items()}
    return {"teachers": list(lesson.teachers), "learned": learned, "prepared_sha256": prepared_sha256}


def _finish(run: Path, course: Course[Any], report: dict[str, Any]) -> dict[str, Any]:
    with replaced(run / RUN_FILE) as path:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    course.finish(run)
    return report


def _finished(run: Path) -> dict[str, Any]:
    print(f"{run} holds this run, finished")  # noqa: T201 - why the command ends at once
    report: dict[str, Any] = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
    return report


def export_run(
    prepared: Path, run: Path, bundle: Path, *, name: str | None, bundle_version: str, frequent: int | None = None
) -> BundleManifest:
    """Write the model of a run as a bundle, whatever its kind; ``frequent`` is that of `export_encoder`.

    Raises:
        DataUnreadable: the prepared rows or the run are not there.
        FolderTaken: ``bundle`` holds something that is no bundle.
        ExportRefused: the served model breaks a rule, or the run learned from other rows than the prepared ones.
    """
    if not may_be_written(bundle):
        raise FolderTaken(f"{bundle} holds something that is no bundle; name another folder with --bundle")
    rows = read_rows(prepared)
    if not (run / RUN_FILE).exists():
        raise DataUnreadable(
            f"{run / RUN_FILE} is missing; make it with `python -m training train` (an interrupted run goes on)"
        )
    made = json.loads((run / RUN_FILE).read_text())
    _check_rows(prepared, rows, run, made)
    if made["kind"] == "lstm":
        if frequent is not None:
            raise SettingUnfit("--prune-vocabulary is for encoders; an LSTM gets its vocabulary when it is trained")
        return export_lstm(prepared, run, bundle, name=name or "lstm-glove", bundle_version=bundle_version)
    return export_encoder(
        prepared, run, bundle, name=name or "encoder", bundle_version=bundle_version, frequent=frequent
    )


def _check_rows(prepared: Path, rows: pd.DataFrame, run: Path, made: dict[str, Any]) -> None:
    """A model must not be measured on rows that it may have learned from; older runs do not say which those are."""
    learned_from, found = made.get("prepared_sha256"), fingerprint(rows)
    if learned_from not in (None, found):
        raise ExportRefused(
            f"{run} learned from prepared rows with sha256 {learned_from}, those in {prepared} have {found}, which may "
            "hold out what it learned; name the folder with its own rows (--prepared), prepare those again, or train "
            "on these in another folder"
        )


def export_encoder(
    prepared: Path, run: Path, bundle: Path, *, name: str, bundle_version: str, frequent: int | None = None
) -> BundleManifest:
    """Write the encoder of a run as a bundle, in the fastest precision that keeps the rules of `export`.

    With ``frequent`` its vocabulary is cut to the pieces of the training rows and so many others (`prune`).

    Raises:
        ExportRefused: not even fp32 does, or there is no graph for this encoder.
    """
    import torch  # noqa: PLC0415 - loaded only here

    from training.encoder import EncoderSizes, encode, load_run, predict_logits  # noqa: PLC0415 - torch
    from training.graphs.encoder_files import graph_files, precision_candidates  # noqa: PLC0415 - OpenVINO
    from training.graphs.encoder_graph import encoder_weights  # noqa: PLC0415 - as above

    rows, made = read_rows(prepared), json.loads((run / RUN_FILE).read_text())
    tokenizer, model = load_run(run)
    sizes, config = EncoderSizes(**made["sizes"]), model.encoder.config
    ids = encode(tokenizer, list(_validation(rows)["cleaned"]), sizes.max_tokens)
    logits = predict_logits(model, ids, dtype=torch.float32)
    weights, words = encoder_weights(model.encoder, model.head), tokenizer.backend_tokenizer
    learned = rows.loc[rows["split"] == "train", "cleaned"]
    sample = learned.sample(min(TYPICAL_TEXTS, len(learned)), random_state=sizes.seed)
    typical = encode(tokenizer, list(sample), sizes.max_tokens)
    if frequent is not None:
        words, left = prune(words, learned, frequent)
        weights = replace(weights, words=weights.words[left])
        typical = [np.searchsorted(left, text).tolist() for text in typical]
    refusals = []
    for precision in precision_candidates(cpu_flags()):
        kept, activations = precision
        candidate = Candidate(
            name=name,
            kind="distilbert" if config.model_type == "distilbert" else "encoder",
            base_model=short_name(str(made["base"])),
            precision=kept,
            max_tokens=sizes.max_tokens,
            architecture={
                "pooling": weights.pooling,
                "hidden_size": config.hidden_size,
                "layers": len(weights.layers),
                "activations": activations,
            },
            files={
                **graph_files(weights, precision, typical),
                TOKENIZER_FILE: words.to_str().encode(),
            },
            logits=logits,
            made=made,
        )
        try:
            return export(candidate, rows, bundle, bundle_version=bundle_version)
        except ExportRefused as refusal:
            refusals.append(str(refusal))
    raise ExportRefused("; ".join(refusals))


def export_lstm(prepared: Path, run: Path, bundle: Path, *, name: str, bundle_version: str) -> BundleManifest:
    """Write the LSTM of a run as a bundle.

    Raises:
        ExportRefused: the served model breaks a rule.
    """
    from training import lstm, words  # noqa: PLC0415 - TensorFlow is loaded only here
    from training.graphs.lstm_graph import build_lstm_graph  # noqa: PLC0415 - as above

    rows = read_rows(prepared)
    made = json.loads((run / RUN_FILE).read_text())
    kept = json.loads((run / VOCABULARY_FILE).read_text())
    sizes = lstm.LstmSizes(**made["sizes"])
    vocabulary: list[str] = kept["vocabulary"]
    model = lstm.build_model(np.zeros((len(vocabulary), words.WIDTH), np.float16), kept["trained"], sizes)
    try:
        model.load_weights(run / lstm.BEST_FILE)
    except DAMAGE as error:
        raise DataUnreadable(f"{run / lstm.BEST_FILE} cannot be read; train this run anew") from error
    kernel, bias = model.get_layer("emotions").get_weights()
    graph = build_lstm_graph(model.get_layer("words").table(), lstm.layers_of(model), kernel, bias)
    tokenizer = words.build_tokenizer(vocabulary)
    files = {"model.onnx": graph.SerializeToString(), TOKENIZER_FILE: tokenizer.to_str().encode()}
    tokenizer.enable_truncation(sizes.max_tokens)
    probabilities = lstm.predict(model, words.encode(tokenizer, _validation(rows)["cleaned"]))
    candidate = Candidate(
        name=name,
        kind="lstm",
        base_model=short_name(str(made["base"])),
        precision="fp32",
        max_tokens=sizes.max_tokens,
        architecture={"units": list(sizes.units), "vocabulary": len(vocabulary), "width": words.WIDTH},
        files=files,
        logits=np.log(np.maximum(probabilities, 1e-9)),
        made=made,
    )
    return export(candidate, rows, bundle, bundle_version=bundle_version)


def _validation(rows: pd.DataFrame) -> pd.DataFrame:
    found = rows[(rows["split"] == "val") & is_certain(rows)]
    if found.empty:
        raise TooFewRows("no validation rows; prepare with more data")
    return found
