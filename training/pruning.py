"""A smaller vocabulary for an encoder: pieces that no text holds leave the tokenizer, and their rows the embedding."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.errors import ExportRefused


def prune(tokenizer: Tokenizer, cleaned: Iterable[str], frequent: int) -> tuple[Tokenizer, NDArray[np.intp]]:
    """A WordPiece tokenizer of fewer pieces, and which rows of the embedding stay, in the order of the new ids.

    Kept are special and added tokens, single characters, the pieces of the ``cleaned`` texts, and the ``frequent``
    first others: vocabularies are ordered by how frequent a piece is. Those texts are split as before, since WordPiece
    takes the longest piece that fits; words of other pieces fall into smaller ones.

    Raises:
        ExportRefused: a tokenizer of another make.
    """
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    if content["model"]["type"] != "WordPiece":
        raise ExportRefused(f"--prune-vocabulary is for WordPiece, not for {content['model']['type']}; leave it out")
    pieces: dict[str, int] = content["model"]["vocab"]
    begin, unknown = content["model"]["continuing_subword_prefix"], content["model"]["unk_token"]
    kept = {int(token["id"]) for token in content["added_tokens"]}
    kept.update(place for piece, place in pieces.items() if len(piece.removeprefix(begin)) == 1 or piece == unknown)
    kept.update(place for text in tokenizer.encode_batch_fast(list(cleaned)) for place in text.ids)
    others = [place for piece, place in pieces.items() if place not in kept and not piece.startswith("[unused")]
    old = sorted(kept.union(sorted(others)[:frequent]))
    new = {place: number for number, place in enumerate(old)}
    content["model"]["vocab"] = {piece: new[place] for piece, place in pieces.items() if place in new}
    for token in content["added_tokens"]:
        token["id"] = new[token["id"]]
    _renumber(content["post_processor"], new)
    return Tokenizer.from_str(json.dumps(content)), np.asarray(old)


def _renumber(processor: dict[str, Any] | None, new: dict[int, int]) -> None:
    """Give what puts a text between its first and last token, if anything does, the new ids of those."""
    if processor is None:
        return
    if processor["type"] == "TemplateProcessing":
        for token in processor["special_tokens"].values():
            token["ids"] = [new[place] for place in token["ids"]]
    elif processor["type"] in ("BertProcessing", "RobertaProcessing"):
        for end in ("cls", "sep"):
            piece, place = processor[end]
            processor[end] = [piece, new[place]]
    else:
        raise ExportRefused(f"--prune-vocabulary does not know {processor['type']}; leave it out")
