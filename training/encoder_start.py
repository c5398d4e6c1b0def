"""What an encoder can begin with, beside its base: an earlier run, or a bundle."""

from pathlib import Path
from typing import Any

import openvino as ov
import torch
from tokenizers import Tokenizer

from schemas.bundle import MANIFEST_FILE
from training.encoder import EncoderClassifier, load_run
from training.errors import DataUnreadable, SettingUnfit
from training.graphs.encoder_graph import distance_buckets, encoder_weights
from training.graphs.encoder_reader import read_encoder_graph
from worker.inference.bundle import TOKENIZER_FILE, read_bundle
from worker.inference.encoder import GRAPH_FILE, WEIGHTS_FILE


def begin_with(tokenizer: Any, model: EncoderClassifier, start: Path) -> None:
    """Give ``model`` the weights of a run or of a bundle.

    Those of a bundle are exact but for the rounding to int8. Word pieces that were pruned from it (`training.pruning`)
    keep the embeddings that they have in ``model``.

    Raises:
        InferenceError: the bundle is tampered with or unfit.
        DataUnreadable: there is neither, or its graph cannot be read back.
        SettingUnfit: it is of an encoder of other shapes.
    """
    try:
        if (start / MANIFEST_FILE).exists():
            _take_weights_of_bundle(tokenizer, model, start)
        else:
            model.load_state_dict(load_run(start)[1].state_dict())
    except (RuntimeError, ValueError) as error:  # of torch, of NumPy
        raise SettingUnfit(f"--start {start} is of another base than this one; name the --base it had") from error


def _take_weights_of_bundle(tokenizer: Any, model: EncoderClassifier, folder: Path) -> None:
    if read_bundle(folder).manifest.kind == "lstm":
        raise SettingUnfit(f"--start {folder} is a bundle of an LSTM; name a run or a bundle of an encoder")
    graph = ov.Core().read_model(folder / GRAPH_FILE, folder / WEIGHTS_FILE)
    try:
        served = read_encoder_graph(graph)
    except ValueError as error:
        raise DataUnreadable(
            f"{folder / GRAPH_FILE} cannot be learned on: {error}; name the run it came from"
        ) from error
    own = encoder_weights(model.encoder, model.head)
    ours, theirs = tokenizer.get_vocab(), Tokenizer.from_file(str(folder / TOKENIZER_FILE)).get_vocab()
    known = [piece for piece in ours if piece in theirs]
    own.words[[ours[piece] for piece in known]] = served.words[[theirs[piece] for piece in known]]
    for affine, given in zip(own.affines(), served.affines(), strict=True):
        affine.weight[...], affine.bias[...] = given.weight, given.bias
    moved = torch.from_numpy(served.positions - own.positions)
    with torch.no_grad():  # token types and rows for padding stand in no graph
        model.encoder.embeddings.position_embeddings.weight[-len(moved) :] += moved
        if served.distances is not None:
            buckets = distance_buckets(model.encoder, len(moved))
            model.encoder.encoder.relative_attention_bias.weight[buckets] = torch.from_numpy(served.distances)
