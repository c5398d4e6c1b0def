"""What is fuzzed: decode, clean, the tokenizers of both shipped bundles, encode. Only the network does not run."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import BundleManifest
from schemas.dead_letter import MAX_ORIGINAL_BYTES, DeadLetter, Reason
from schemas.emotions import EMOTIONS
from schemas.event import EmotionEvent
from tests.fuzz.grammar import NOW_S
from worker.inference.bundle import TOKENIZER_FILE, read_bundle
from worker.inference.tokens import read_tokeniser
from worker.labelling import Rules, label_batch
from worker.records import Outcome, RawRecord

BUNDLES = Path(__file__).parents[2] / "bundles"
LARGEST_RECORD_BYTES = 1_048_588
"""What a broker takes by default (``max.message.bytes``)."""


class TokenisingEngine:
    """An engine without its network: probabilities follow from how many tokens there are."""

    precision = "fp32"

    def __init__(self, folders: Sequence[Path]) -> None:
        bundles = [read_bundle(folder) for folder in folders]
        self.manifest: BundleManifest = bundles[0].manifest
        self._tokenisers = [
            (read_tokeniser(bundle.folder / TOKENIZER_FILE, bundle.manifest.max_tokens), bundle.manifest.max_tokens)
            for bundle in bundles
        ]

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise NotImplementedError

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        rows = np.full((len(cleaned), len(EMOTIONS)), 0.1, np.float32)
        for tokeniser, most in self._tokenisers:
            for row, ids in enumerate(tokeniser.ids(cleaned)):
                assert 1 <= len(ids) <= most, f"{len(ids)} tokens of {cleaned[row]!r}"
                rows[row, len(ids) % len(EMOTIONS)] += 0.2
        return rows

    def tokens(self, cleaned: str) -> list[str]:
        return self._tokenisers[0][0].tokens(cleaned)


class Subject:
    """Labels records and checks what becomes of them; `wrong` holds a sentence for each violation."""

    def __init__(self, engine: Any) -> None:
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._engine = engine

    def feed(self, records: Sequence[RawRecord], *, include_text: bool = True) -> None:
        rules, middle = Rules("created_at", include_text), len(records) // 2
        try:
            outcomes = label_batch(records, self._engine, rules, {}, lambda: NOW_S)
            alone = label_batch([records[middle]], self._engine, rules, {}, lambda: NOW_S)
        except BaseException as error:  # noqa: BLE001 - a panic of the tokenizer is no Exception
            self.wrong.append(f"{type(error).__name__}: {error}, batch at {records[0].offset}")
            return
        if [outcome.offset for outcome in outcomes] != [record.offset for record in records]:
            self.wrong.append(f"not one outcome each, batch at {records[0].offset}")
        elif alone[0].counted != outcomes[middle].counted:
            self.wrong.append(f"alone otherwise than among its neighbours, offset {records[middle].offset}")
        for record, outcome in zip(records, outcomes, strict=False):
            try:
                self._check(record, outcome)
            except Exception as error:  # noqa: BLE001 - what is wrong is told, and the run goes on
                self.wrong.append(f"{error!r} of {(record.value or b'')[:200]!r}, offset {record.offset}")

    def _check(self, record: RawRecord, outcome: Outcome) -> None:
        assert outcome.value is not None
        assert len(outcome.value) + len(outcome.key or b"") < LARGEST_RECORD_BYTES, "too large for a broker"
        if outcome.counted.label is not None:
            event = EmotionEvent.model_validate_json(outcome.value)
            assert event.id == record.source(None).id
            assert event.label == EMOTIONS[outcome.counted.label]
            self.outcomes["event"] += 1
            return
        letter = DeadLetter.model_validate_json(outcome.value)
        assert letter.id == record.source(None).id
        assert letter.original_bytes == (None if record.value is None else record.value[:MAX_ORIGINAL_BYTES])
        assert letter.reason is outcome.reason
        assert letter.reason is not Reason.ENGINE_FAILED, letter.detail
        self.outcomes[letter.reason] += 1
