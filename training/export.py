"""From trained weights to a bundle: graph, tokenizer, temperature, golden cases, checks, card."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schemas.bundle import Agreement, BundleManifest, DataRef, Metrics, Profile
from schemas.emotions import EMOTIONS
from training.calibration import LEAST_ROWS_TO_FIT, best_temperature, retempered
from training.card import card
from training.data.prepare import fingerprint
from training.data.rows import TARGETS, accepted, is_certain
from training.data.sources import JUDGED_BY_PEOPLE
from training.errors import ExportRefused
from training.metrics import figures
from training.progress import watched
from training.scoring import score
from worker.inference.bundle import CARD_FILE, GOLDEN_FILE, Golden, write_bundle
from worker.inference.encoder import Activations, cpu_flags, lesser_cpus
from worker.inference.engine import GOLDEN_TOLERANCE, Engine, golden_changes, load_engine, softmax

LEAST_SAME_LABEL = 0.99
MOST_ACCURACY_LOST = 0.002
MOST_CHANGE_BY_REBATCHING = {"fp32": 1e-4, "bf16": 0.01, "int8": 0.01}
LEAST_ROWS_OF_A_FIGURE = 30
_TEXTS_ALONE = 300
ABSTAIN_THRESHOLD = 0.4
"""The shipped bundles are less sure on half of the validation rows with none of the six, on one in 25 of the others."""
_RUNTIME = {"lstm": "onnxruntime", "encoder": "openvino", "distilbert": "openvino"}
GOLDEN_TEXTS = (
    "I can't stop smiling, best day ever! \U0001f602 #blessed",
    "i feel so empty and alone tonight",
    "@someone how DARE you talk to her like that, I'm furious",
    "omg omg I did NOT see that coming \U0001f631",
    "love you to the moon and back \u2764\ufe0f",
    "there is someone outside my window and i am terrified",
    "Bus leaves at 9:40 from platform 3 https://example.org/t",
    "not happy about this at all...",
    "RT @a: sooooo tired &amp; sad :(",
    "ok",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is to become a bundle.

    Attributes:
        architecture: what the engine needs to know; of an int8 bundle its ``activations``, too.
        files: graph and tokenizer, name -> content.
        logits: unquantised logits float32 ``[n, 6]`` of the validation rows, before temperature.
        made: what the run says of itself.
    """

    name: str
    kind: str
    base_model: str
    precision: str
    max_tokens: int
    architecture: dict[str, Any]
    files: dict[str, bytes]
    logits: NDArray[np.float32]
    made: dict[str, Any]

    @property
    def activations(self) -> Activations:
        """What its weights are multiplied by."""
        return cast("Activations", self.architecture.get("activations", "float"))

    def __str__(self) -> str:
        return f"{self.precision} ({self.activations} activations)" if self.precision == "int8" else self.precision


def export(candidate: Candidate, rows: pd.DataFrame, folder: Path, *, bundle_version: str) -> BundleManifest:
    """Write the bundle if its served answers keep the rules; golden cases come from the served engine.

    Lesser CPUs may serve it in another arithmetic; in what this CPU can run of these it must keep the rules too, and
    answer the golden cases as a worker there will ask (ADR 26).

    The temperature is fitted on the validation rows in ``rows``, those judged by people where there are enough. The
    figures are of the served engine, on the test splits and on the validation rows, there of each half with the
    temperature that the other half gives, or of all with theirs where half of them are too few; the card
    tells which.

    Raises:
        ExportRefused: less than 99 % of labels kept, more than 0.2 points of accuracy lost, or an answer changed with
            its batch, here or as a lesser CPU serves it; or a golden case differs too much there.
    """
    validation = rows[(rows["split"] == "val") & is_certain(rows)]
    temperature, of_others = _temperatures(candidate.logits, validation)
    fields: dict[str, Any] = {
        "name": candidate.name,
        "version": bundle_version,
        "created_at": datetime.now(UTC).replace(microsecond=0),
        "kind": candidate.kind,
        "base_model": candidate.base_model,
        "max_tokens": candidate.max_tokens,
        "precision": candidate.precision,
        "temperature": temperature,
        "abstain_threshold": ABSTAIN_THRESHOLD,
        "architecture": candidate.architecture,
        "libraries": {
            **candidate.made.get("libraries", {}),
            **{name: version(name) for name in ("numpy", _RUNTIME[candidate.kind], "tokenizers")},
        },
    }
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "draft"
        uniform = [Golden(text, (1 / 6,) * 6) for text in GOLDEN_TEXTS]
        _write(draft, fields, candidate.files, uniform, card="draft")
        engine = load_engine(draft, check_golden=False)
        golden = [
            Golden(text, tuple(round(float(p), 6) for p in row))
            for text, row in zip(GOLDEN_TEXTS, engine.predict(GOLDEN_TEXTS), strict=True)
        ]
        fields["agreement"] = _agreement(engine, validation, candidate, temperature)
        lesser = _on_lesser_cpus(draft, golden, validation, candidate, temperature)
        fields["metrics"] = tuple(_metrics(engine, rows, validation, of_others))
        fields["profile"] = _profile(engine, rows)
    told = card(fields, rows, candidate.made, lesser, halved=of_others is not None)
    return _write(folder, fields, candidate.files, golden, card=told)


def _temperatures(logits: NDArray[np.float32], validation: pd.DataFrame) -> tuple[float, NDArray[np.float64] | None]:
    """The temperature that the validation rows give, and for each row ``[n]`` that of the half which it is not in.

    None where half of the rows are too few to fit one.
    """
    given = accepted(validation[TARGETS].to_numpy())
    halves = np.asarray(pd.util.hash_pandas_object(validation["group"], index=False) % 2 == 0)
    fit = validation["source"].isin(JUDGED_BY_PEOPLE).to_numpy()
    if min((fit & halves).sum(), (fit & ~halves).sum()) < LEAST_ROWS_TO_FIT:
        fit = np.ones_like(fit)
    whole = best_temperature(logits[fit], given[fit])
    if min((fit & halves).sum(), (fit & ~halves).sum()) < LEAST_ROWS_TO_FIT:
        return whole, None
    of_half, of_other_half = (best_temperature(logits[fit & half], given[fit & half]) for half in (halves, ~halves))
    return whole, np.where(halves, of_other_half, of_half)


def _write(
    folder: Path, fields: dict[str, Any], files: dict[str, bytes], golden: Sequence[Golden], card: str
) -> BundleManifest:
    cases = json.dumps([asdict(case) for case in golden], ensure_ascii=False, indent=1)
    return write_bundle(folder, fields, {**files, GOLDEN_FILE: cases.encode(), CARD_FILE: card.encode()})


def _on_lesser_cpus(
    draft: Path, golden: Sequence[Golden], validation: pd.DataFrame, candidate: Candidate, temperature: float
) -> dict[str, Agreement]:
    """Of CPUs that serve the draft in another arithmetic than this one: what they lack, and how it agrees there."""
    found, tolerance = {}, GOLDEN_TOLERANCE[candidate.precision]
    for lacking, flags in lesser_cpus(candidate.precision, candidate.activations, cpu_flags()).items():
        engine = load_engine(draft, check_golden=False, flags=flags)
        change = float(golden_changes(golden, engine).max())
        if not change <= tolerance:
            raise ExportRefused(
                f"{candidate} would start no worker on a CPU without {lacking}: served in {engine.precision} there, it "
                f"changes a golden case by {change:.4f}, {tolerance} is allowed"
            )
        found[lacking] = _agreement(engine, validation, candidate, temperature, f" on a CPU without {lacking}")
    return found


def _agreement(
    engine: Engine, validation: pd.DataFrame, candidate: Candidate, temperature: float, where: str = ""
) -> Agreement:
    cleaned = list(validation["cleaned"])
    served = score(engine.predict_cleaned, cleaned, "validation rows")
    whole = softmax(candidate.logits / temperature)
    order = np.random.default_rng(13).permutation(len(cleaned))
    alone, among_others = order[:_TEXTS_ALONE], _rebatched(engine, cleaned, order, 7)
    again = np.concatenate([among_others, _rebatched(engine, cleaned, alone, 1)])
    before = served[np.concatenate([order, alone])]
    truth = validation[TARGETS].to_numpy()
    agreement = Agreement(
        rows=len(cleaned),
        same_label=float((served.argmax(1) == whole.argmax(1)).mean()),
        accuracy_lost=float(_accuracy(whole, truth) - _accuracy(served, truth)),
        max_probability_change=float(np.abs(served - whole).max()),
        flipped_by_rebatching=int((before.argmax(1) != again.argmax(1)).sum()),
        max_change_by_rebatching=float(np.abs(before - again).max()),
    )
    bound = MOST_CHANGE_BY_REBATCHING[candidate.precision]
    if agreement.same_label < LEAST_SAME_LABEL or agreement.accuracy_lost > MOST_ACCURACY_LOST:
        raise ExportRefused(f"{candidate}{where} changes the model too much: {agreement}; use a finer precision")
    if agreement.flipped_by_rebatching or agreement.max_change_by_rebatching > bound:
        raise ExportRefused(
            f"{candidate}{where}: answers depend on the batch: {agreement}; no other label and {bound} are allowed"
        )
    return agreement


def _rebatched(engine: Engine, cleaned: Sequence[str], order: NDArray[np.intp], size: int) -> NDArray[np.float32]:
    """The answers in ``order``, each batch of ``size`` asked by itself."""
    answers = []
    with watched(f"batches of {size}", of=-(-len(order) // size)) as advance:
        for start in range(0, len(order), size):
            answers.append(engine.predict_cleaned([cleaned[i] for i in order[start : start + size]]))
            advance("")
    return np.concatenate(answers)


def _accuracy(probabilities: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    return float(accepted(targets)[np.arange(len(targets)), probabilities.argmax(1)].mean())


def _metrics(
    engine: Engine, rows: pd.DataFrame, validation: pd.DataFrame, temperatures: NDArray[np.float64] | None
) -> list[Metrics]:
    tests = rows[(rows["split"] == "test") & is_certain(rows)]
    found = []
    for split, held_out in (("validation", validation), ("test", tests)):
        probabilities = score(engine.predict_cleaned, list(held_out["cleaned"]), f"{split} rows")
        if split == "validation" and temperatures is not None:
            probabilities = retempered(probabilities, engine.manifest.temperature, temperatures[:, None])
        for source, places in held_out.reset_index(drop=True).groupby("source").indices.items():
            if len(places) < LEAST_ROWS_OF_A_FIGURE:
                continue
            part = held_out.iloc[places]
            one = figures(probabilities[places], accepted(part[TARGETS].to_numpy()))
            data = DataRef(name=str(source), split=split, rows=len(part), sha256=fingerprint(part))
            wanted = ("accuracy", "macro_f1", "macro_precision", "weighted_f1", "ece")
            found.append(Metrics(data=data, **{name: one[name] for name in wanted}))
    return found


def _profile(engine: Engine, rows: pd.DataFrame) -> Profile:
    train = rows[(rows["split"] == "train") & is_certain(rows)]
    sample = train.sample(min(2000, len(train)), random_state=13)
    tokens = [engine.tokens(text) for text in sample["cleaned"]]
    lengths = np.asarray([len(t) for t in tokens])
    unknown = sum(token in ("<unk>", "[UNK]") for t in tokens for token in t)
    shares = train[TARGETS].mean()
    return Profile(
        label_shares={emotion: float(shares[f"p_{emotion}"]) for emotion in EMOTIONS},
        tokens_per_tweet={f"p{q}": float(np.percentile(lengths, q)) for q in (50, 90, 99)},
        unknown_token_rate=unknown / max(1, int(lengths.sum())),
        mean_confidence=float(engine.predict_cleaned(list(sample["cleaned"])).max(axis=1).mean()),
    )
