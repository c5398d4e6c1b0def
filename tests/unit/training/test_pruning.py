import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.processors import BertProcessing, ByteLevel, RobertaProcessing

from tests.encoders import FILLER, build_bert
from training.encoder import load_encoder
from training.errors import ExportRefused
from training.pruning import prune


def test_seen_pieces_keep_their_rows_and_other_words_fall_into_smaller_ones(tmp_path: Path) -> None:
    build_bert(tmp_path)
    whole = load_encoder(str(tmp_path))[0].backend_tokenizer
    pruned, rows = prune(whole, ["<user> my day is kiss"], frequent=0)
    assert len(rows) == pruned.get_vocab_size() < whole.get_vocab_size()
    text = pruned.encode("<user> my day is kiss zebra qq")
    assert text.tokens == ["[CLS]", "<user>", "my", "day", "is", "kiss", "[UNK]", "q", "##q", "[SEP]"]
    assert list(rows[text.ids]) == [whole.token_to_id(piece) for piece in text.tokens]


def test_ends_of_any_make_get_their_new_ids(tmp_path: Path) -> None:
    build_bert(tmp_path)
    whole = load_encoder(str(tmp_path))[0].backend_tokenizer
    last, first = ((piece, whole.token_to_id(piece)) for piece in ("[SEP]", "[CLS]"))
    for processor in (BertProcessing(last, first), RobertaProcessing(last, first)):
        whole.post_processor = processor
        pruned, _ = prune(whole, ["kiss"], frequent=0)
        assert pruned.encode("kiss").tokens == ["[CLS]", "kiss", "[SEP]"]
        assert pruned.encode("kiss").ids == [pruned.token_to_id(piece) for piece in ("[CLS]", "kiss", "[SEP]")]
    whole.post_processor = ByteLevel()
    with pytest.raises(ExportRefused, match="does not know ByteLevel"):
        prune(whole, [], frequent=0)


def test_a_tokenizer_that_adds_nothing_to_a_text_keeps_its_unknown_piece(tmp_path: Path) -> None:
    build_bert(tmp_path)
    content = json.loads(load_encoder(str(tmp_path))[0].backend_tokenizer.to_str())
    content["post_processor"] = None
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != "[UNK]"]
    pruned, _ = prune(Tokenizer.from_str(json.dumps(content)), ["kiss"], frequent=0)
    assert pruned.encode("kiss zebra").tokens == ["kiss", "[UNK]"]


def test_the_first_of_the_vocabulary_stay_without_being_seen(tmp_path: Path) -> None:
    build_bert(tmp_path)
    pruned, rows = prune(load_encoder(str(tmp_path))[0].backend_tokenizer, [], frequent=3)
    assert [piece for piece in FILLER if piece in pruned.get_vocab()] == FILLER[:3]
    assert (np.diff(rows) > 0).all()


def test_only_word_pieces_can_be_pruned() -> None:
    with pytest.raises(ExportRefused, match="is for WordPiece, not for WordLevel; leave it out"):
        prune(Tokenizer(WordLevel({"a": 0}, "a")), [], frequent=1)
