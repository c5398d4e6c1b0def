"""What an LSTM can begin with: fresh GloVe rows, an earlier run, or a bundle."""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training import words
from training.course import DAMAGE, RUN_FILE, VOCABULARY_FILE, read_object, read_run
from training.errors import DataUnreadable
from training.graphs.lstm_graph import LstmWeights, read_lstm_graph
from training.lstm import BEST_FILE, LstmSettings, build_model
from worker.inference.bundle import TOKENIZER_FILE, read_bundle
from worker.inference.lstm import GRAPH_FILE


@dataclass(frozen=True, slots=True)
class Start:
    """A model to train.

    Attributes:
        model: with the weights to begin with.
        vocabulary: index 0 is padding.
        trained: how many words after it have rows that are learned.
        settings: those asked for, but with the units that the weights have.
        base: what the weights come from.
    """

    model: keras.Model
    vocabulary: list[str]
    trained: int
    settings: LstmSettings
    base: str


def from_run(run: Path, settings: LstmSettings) -> Start:
    """The best weights of an earlier run, with its vocabulary and its units.

    Raises:
        DataUnreadable: the run is not there, not finished or damaged.
    """
    for name in (VOCABULARY_FILE, RUN_FILE, BEST_FILE):
        if not (run / name).exists():
            raise DataUnreadable(f"{run / name} is missing; --start wants a finished run of `train lstm`, or a bundle")
    kept, made = read_object(run / VOCABULARY_FILE), read_run(run)
    vocabulary: list[str] = kept["vocabulary"]
    settings = replace(settings, units=tuple(made["sizes"]["units"]))
    model = build_model(np.zeros((len(vocabulary), words.WIDTH), np.float16), kept["trained"], settings)
    try:
        model.load_weights(run / BEST_FILE)
    except DAMAGE as error:
        raise DataUnreadable(f"{run / BEST_FILE} cannot be read; train this run anew") from error
    return Start(model, vocabulary, kept["trained"], settings, str(made["base"]))


def from_bundle(folder: Path, settings: LstmSettings) -> Start:
    """The weights and the vocabulary of a bundle; exact but for the embedding, which bundles hold in float16.

    Raises:
        InferenceError: the bundle is missing, tampered with or unfit.
        DataUnreadable: it holds no LSTM of this project, or one whose words and vectors differ in number.
    """
    manifest = read_bundle(folder).manifest
    if manifest.kind != "lstm":
        raise DataUnreadable(f"{folder} is a bundle of kind {manifest.kind}; --start of an LSTM wants one of kind lstm")
    try:
        weights = read_lstm_graph(onnx.load(str(folder / GRAPH_FILE)))
        first, second, third = weights.units
    except ValueError as error:
        raise DataUnreadable(f"{folder / GRAPH_FILE}: {error}; start from a bundle of `training export`") from error
    places: dict[str, int] = Tokenizer.from_file(str(folder / TOKENIZER_FILE)).get_vocab()
    vocabulary = sorted(places, key=lambda word: places[word])
    if len(vocabulary) != len(weights.embedding):
        raise DataUnreadable(
            f"{folder / TOKENIZER_FILE} holds {len(vocabulary)} words, {GRAPH_FILE} has vectors of "
            f"{len(weights.embedding)}: a word stands there twice; train anew from its --glove file, or start from "
            "another bundle"
        )
    trained = words.count_trained(vocabulary)
    settings = replace(settings, units=(first, second, third))
    model = build_model(_frozen_rows(weights.embedding, trained), trained, settings)
    _set_weights(model, weights, trained)
    return Start(model, vocabulary, trained, settings, manifest.base_model)


def _frozen_rows(table: NDArray[np.float16], trained: int) -> NDArray[np.float16]:
    """The rows of a table but those that are learned, which are zero here."""
    rows = table.copy()
    rows[1 : trained + 1] = 0
    return rows


def _set_weights(model: keras.Model, weights: LstmWeights, trained: int) -> None:
    learned = model.get_layer("words").learned
    table = np.array(learned.get_weights()[0])
    table[1 : trained + 1] = weights.embedding[1 : trained + 1]
    learned.set_weights([table])
    for number, layer in enumerate(weights.layers):
        pair = model.get_layer(f"lstm_{number}")
        pair.forward_layer.set_weights(layer.forward)
        pair.backward_layer.set_weights(layer.backward)
    model.get_layer("emotions").set_weights([weights.dense_kernel, weights.dense_bias])


def fresh(rows: list[str], glove: Path, settings: LstmSettings) -> Start:
    """Random weights over GloVe's vectors; the vocabulary is GloVe's frequent words and those of the cleaned ``rows``.

    Raises:
        DataUnreadable: the vectors cannot be read.
    """
    names, vectors = words.load_glove(glove)
    vocabulary, trained = words.build_vocabulary(rows, names, frequent=words.FREQUENT)
    model = build_model(words.initial_rows(vocabulary, names, vectors), len(trained), settings)
    return Start(model, vocabulary, len(trained), settings, glove.name)
