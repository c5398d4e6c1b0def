"""From a finished run to a bundle."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.bundle import BundleManifest
from training.card import short_name
from training.course import DAMAGE, VOCABULARY_FILE, read_object, read_run
from training.data.prepare import fingerprint
from training.data.rows import read_rows, validation_rows
from training.errors import DataUnreadable, ExportRefused, FolderTaken, SettingUnfit
from training.export import Candidate, export
from training.pruning import prune
from worker.inference.bundle import TOKENIZER_FILE, may_be_written
from worker.inference.encoder import cpu_flags

TYPICAL_TEXTS = 1_200  # of the training rows tell the scales of int8 activations


def export_run(
    prepared: Path, run: Path, bundle: Path, *, name: str | None, bundle_version: str, frequent: int | None = None
) -> BundleManifest:
    """Write the model of a run as a bundle; an encoder's in the fastest precision that keeps the rules of `export`.

    With ``frequent`` an encoder's vocabulary is cut to the pieces of the training rows and so many others (`prune`).

    Raises:
        DataUnreadable: the prepared rows or the run are not there.
        FolderTaken: ``bundle`` holds something that is no bundle.
        SettingUnfit: ``frequent`` for an LSTM.
        ExportRefused: the served model breaks a rule, not even fp32 keeps them all, there is no graph or no fast
            tokenizer for this encoder, or the run learned from other rows than the prepared ones.
    """
    if not may_be_written(bundle):
        raise FolderTaken(f"{bundle} holds something that is no bundle; name another folder with --bundle")
    rows = read_rows(prepared)
    made = read_run(run)
    _check_rows(prepared, rows, run, made)
    if made["kind"] == "lstm":
        if frequent is not None:
            raise SettingUnfit("--prune-vocabulary is for encoders; an LSTM gets its vocabulary when it is trained")
        return export(_lstm(rows, run, made, name or "lstm-glove"), rows, bundle, bundle_version=bundle_version)
    refusals = []
    for candidate in _encoders(rows, run, made, name or "encoder", frequent):
        try:
            return export(candidate, rows, bundle, bundle_version=bundle_version)
        except ExportRefused as refusal:
            refusals.append(str(refusal))
            print(refusal, file=sys.stderr)  # noqa: T201 - why a bundle is larger or slower than hoped for
    raise ExportRefused("; ".join(refusals))


def _check_rows(prepared: Path, rows: pd.DataFrame, run: Path, made: dict[str, Any]) -> None:
    """A model must not be measured on rows that it may have learned from; older runs do not say which those are."""
    learned_from, found = made.get("prepared_sha256"), fingerprint(rows)
    if learned_from not in (None, found):
        raise ExportRefused(
            f"{run} learned from prepared rows with sha256 {learned_from}, those in {prepared} have {found}, which may "
            "hold out what it learned; name the folder with its own rows (--prepared), prepare those again, or train "
            "on these in another folder"
        )


def _encoders(
    rows: pd.DataFrame, run: Path, made: dict[str, Any], name: str, frequent: int | None
) -> Iterator[Candidate]:
    """One for each precision that this CPU may serve, the fastest first."""
    import torch  # noqa: PLC0415 - loaded only here

    from training.encoder import EncoderSettings, encode, load_run, predict_logits  # noqa: PLC0415 - torch
    from training.graphs.encoder_files import graph_files, precision_candidates  # noqa: PLC0415 - OpenVINO
    from training.graphs.encoder_graph import encoder_weights  # noqa: PLC0415 - as above

    tokenizer, model = load_run(run)
    if not tokenizer.is_fast:
        raise ExportRefused(
            f"{made['base']} has no fast tokenizer (tokenizer.json), which a bundle needs; this run may teach another "
            "(`distill`), export that one"
        )
    sizes, config = EncoderSettings(**made["sizes"]), model.encoder.config
    weights, words = encoder_weights(model.encoder, model.head), tokenizer.backend_tokenizer
    max_tokens = min(sizes.max_tokens, len(weights.positions))
    ids = encode(tokenizer, list(validation_rows(rows)["cleaned"]), max_tokens)
    logits = predict_logits(model, ids, dtype=torch.float32)
    learned = rows.loc[rows["split"] == "train", "cleaned"]
    sample = learned.sample(min(TYPICAL_TEXTS, len(learned)), random_state=sizes.seed)
    typical = encode(tokenizer, list(sample), max_tokens)
    if frequent is not None:
        words, left = prune(words, learned, frequent)
        weights = replace(weights, words=weights.words[left])
        typical = [np.searchsorted(left, text).tolist() for text in typical]
        made = {**made, "pruned": frequent}
    for precision in precision_candidates(cpu_flags()):
        kept, activations = precision
        yield Candidate(
            name=name,
            kind="distilbert" if config.model_type == "distilbert" else "encoder",
            base_model=short_name(str(made["base"])),
            precision=kept,
            max_tokens=max_tokens,
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


def _lstm(rows: pd.DataFrame, run: Path, made: dict[str, Any], name: str) -> Candidate:
    from training import lstm, words  # noqa: PLC0415 - TensorFlow is loaded only here
    from training.graphs.lstm_graph import build_lstm_graph  # noqa: PLC0415 - as above
    from worker.inference.lstm import GRAPH_FILE  # noqa: PLC0415 - ONNX Runtime

    kept = read_object(run / VOCABULARY_FILE)
    sizes = lstm.LstmSettings(**made["sizes"])
    vocabulary: list[str] = kept["vocabulary"]
    model = lstm.build_model(np.zeros((len(vocabulary), words.WIDTH), np.float16), kept["trained"], sizes)
    try:
        model.load_weights(run / lstm.BEST_FILE)
    except DAMAGE as error:
        raise DataUnreadable(f"{run / lstm.BEST_FILE} cannot be read; train this run anew") from error
    kernel, bias = model.get_layer("emotions").get_weights()
    graph = build_lstm_graph(model.get_layer("words").table(), lstm.layers_of(model), kernel, bias)
    tokenizer = words.build_tokenizer(vocabulary)
    files = {GRAPH_FILE: graph.SerializeToString(), TOKENIZER_FILE: tokenizer.to_str().encode()}
    tokenizer.enable_truncation(sizes.max_tokens)
    probabilities = lstm.predict(model, words.encode(tokenizer, validation_rows(rows)["cleaned"]))
    return Candidate(
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
