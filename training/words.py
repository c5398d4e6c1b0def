"""The LSTM's tokenizer and vocabulary of whole words, and GloVe's vectors for them."""

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from training.errors import DataUnreadable
from worker.inference.cleaning import PLACEHOLDERS
from worker.inference.words import STANDS_FOR_NOTHING

PAD, UNKNOWN = "<pad>", "<unk>"
WIDTH = 100
"""Of a word vector."""
FREQUENT = 30_000
"""So many of GloVe's most frequent words are in the vocabulary whatever the training texts hold."""
LEAST_OF_A_WORD, LEAST_OF_A_LETTER = 2, 10
"""How often the training texts must hold a rarer word, and a single letter that GloVe's file lacks."""
_CONTRACTIONS = (
    (r"\bcan't\b", "can not"), (r"\bwon't\b", "will not"), (r"\bshan't\b", "shall not"), (r"n't\b", " not"),
    (r"'m\b", " am"), (r"'re\b", " are"), (r"'ve\b", " have"), (r"'ll\b", " will"), (r"'d\b", " would"), (r"'s\b", ""),
)  # fmt: skip
"""Replacements, since GloVe's file lacks every token with an apostrophe."""
_WORDS = r"<(?:url|user)>|\w+|[^\w\s]"


def load_glove(path: Path) -> tuple[list[str], NDArray[np.float16]]:
    """Words in GloVe's frequency order and their vectors, float16 ``[n, 100]`` (Pennington et al. 2014, glove.6B).

    Args:
        path: GloVe's own ``.txt``, or an ``.npz`` of ``words`` (one string, a word a line) and ``vectors``.

    Raises:
        DataUnreadable: the file is missing or has other contents.
    """
    try:
        words, vectors = _glove_text(path) if path.suffix == ".txt" else _glove_arrays(path)
    except (OSError, KeyError, ValueError) as error:
        raise DataUnreadable(
            f"cannot read GloVe vectors from {path} ({error}); --glove wants glove.6B.{WIDTH}d.txt or an .npz of "
            "words and vectors"
        ) from error
    if vectors.shape != (len(words), WIDTH):
        raise DataUnreadable(f"{path} has vectors {vectors.shape} of {len(words)} words; take those of {WIDTH} numbers")
    return words, vectors


def _glove_text(path: Path) -> tuple[list[str], NDArray[np.float16]]:
    words, vectors = [], []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, _, numbers = line.rstrip().partition(" ")
            words.append(word)
            vectors.append(np.asarray(numbers.split(), np.float16))
    return words, np.stack(vectors)


def _glove_arrays(path: Path) -> tuple[list[str], NDArray[np.float16]]:
    with np.load(path, allow_pickle=False) as file:
        return str(file["words"]).split("\n"), file["vectors"]


def build_vocabulary(cleaned: Iterable[str], glove: list[str], *, frequent: int) -> tuple[list[str], list[str]]:
    """The vocabulary, and the words of it whose vectors are trained.

    In the vocabulary are GloVe's ``frequent`` most frequent words, the rarer ones that occur in the training texts, and
    those that are trained: the unknown word, our placeholders, and one-letter words that GloVe's file lacks. No word
    stands in it twice: GloVe files made of tweets hold ``<user>`` and ``<url>`` too, whose vectors are not used.
    """
    tokenizer = build_tokenizer([PAD, UNKNOWN])
    seen = Counter(word for text in cleaned for word in _split(tokenizer, text))
    known = set(glove)
    one_letter = sorted(w for w, n in seen.items() if len(w) == 1 and w not in known and n >= LEAST_OF_A_LETTER)
    trained = [UNKNOWN, *PLACEHOLDERS, *one_letter]
    common = glove[:frequent]
    rare = [word for word in glove[frequent:] if seen[word] >= LEAST_OF_A_WORD]
    return list(dict.fromkeys((PAD, *trained, *common, *rare))), trained


def count_trained(vocabulary: list[str]) -> int:
    """How many words after the padding have trained vectors, as the order in `build_vocabulary` tells."""
    is_trained = [word in (UNKNOWN, *PLACEHOLDERS) or len(word) == 1 for word in vocabulary[1:]]
    return is_trained.index(False) if False in is_trained else len(is_trained)


def _split(tokenizer: Tokenizer, text: str) -> list[str]:
    normal = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def build_tokenizer(vocabulary: list[str]) -> Tokenizer:
    """A Hugging Face tokenizer of words; index 0 is padding.

    A word that is not in the vocabulary is split into words that are, as few and as frequent ones as possible (a
    unigram model, Kudo 2018, whose probabilities follow Zipf's law): ``treatcustomersfairly`` becomes three.
    """
    scores = _scores(vocabulary)
    tokenizer = Tokenizer(models.Unigram(list(zip(vocabulary, scores, strict=True)), vocabulary.index(UNKNOWN)))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), *(normalizers.Replace(Regex(old), new) for old, new in _CONTRACTIONS)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
    return tokenizer


def _scores(vocabulary: list[str]) -> list[float]:
    """Log-probability of each word; the vocabulary is in the order of frequency.

    On top of Zipf's cost each piece costs as much as the rarest word, so that a known word is never split. A single
    letter, which says little, counts as the rarest word.
    """
    rarest = math.log(len(vocabulary))
    return [
        -round(1 + rarest + (rarest if len(word) == 1 else math.log(max(rank, 1))), 3)
        for rank, word in enumerate(vocabulary)
    ]


def initial_rows(vocabulary: list[str], glove: list[str], vectors: NDArray[np.float16]) -> NDArray[np.float16]:
    """Float16 ``[vocabulary, 100]``: GloVe's vectors, zeros for padding and for the words that are to be trained."""
    place = {word: index for index, word in enumerate(glove) if word not in (PAD, UNKNOWN, *PLACEHOLDERS)}
    rows = np.zeros((len(vocabulary), vectors.shape[1]), np.float16)
    for index, word in enumerate(vocabulary):
        if word in place:
            rows[index] = vectors[place[word]]
    return rows


def encode(tokenizer: Tokenizer, cleaned: Iterable[str]) -> list[list[int]]:
    """Token ids of each text, as the worker reads it."""
    nothing = tokenizer.encode(STANDS_FOR_NOTHING).ids
    return [encoding.ids or nothing for encoding in tokenizer.encode_batch_fast(list(cleaned))]
