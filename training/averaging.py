"""The mean of the weights of several runs: one model, mostly better than each (model soup, Wortsman et al. 2022)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from training.course import RUN_FILE, read_run
from training.encoder import BEST_FILE, load_run, save_encoder
from training.errors import SettingUnfit
from training.files import replaced_folder


def average_runs(runs: Sequence[Path], folder: Path) -> None:
    """Write a run whose weights are the mean of those of ``runs``; it can be exported, teach and be begun with.

    The runs must have begun with the same weights, as one that was taught on and its successors have: between others
    the mean is worth nothing.

    Args:
        runs: finished runs of `train distilbert` or `distill --student encoder`, at least two.
        folder: the run to write.

    Raises:
        DataUnreadable: one of them is no such run.
        SettingUnfit: they are of different bases or shapes.
        FolderTaken: ``folder`` holds something already.
        DiskFull: no room; ``folder`` is as it was before.
    """
    (tokenizer, model), *others = (load_run(run) for run in runs)
    states = [model.state_dict(), *(other.state_dict() for _, other in others)]
    stories = [read_run(run) for run in runs]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    for run, story, found in zip(runs, stories, shapes, strict=True):
        if (story["base"], found) != (stories[0]["base"], shapes[0]):
            raise SettingUnfit(
                f"{run} has the base {story['base']}, {runs[0]} has {stories[0]['base']}: only runs of one base and "
                "one set of weights can be averaged"
            )
    mean = {name: torch.stack([state[name].double() for state in states]).mean(dim=0) for name in states[0]}
    model.load_state_dict(mean)
    with replaced_folder(folder) as beside:
        save_encoder(beside, tokenizer, model)
        torch.save(model.state_dict(), beside / BEST_FILE)
        (beside / RUN_FILE).write_text(json.dumps(_story(runs, stories), indent=2) + "\n", encoding="utf-8")


def _story(runs: Sequence[Path], stories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """That of the last run, with the teachers and the rows of all; the prepared rows only if all had the same."""
    learned: dict[str, int] = {}
    for story in stories:
        for source, rows in story["learned"].items():
            learned[source] = max(rows, learned.get(source, 0))
    teachers = dict.fromkeys(teacher for story in stories for teacher in story["teachers"])
    others = dict.fromkeys(name for story in stories for name in story.get("other_teachers", story["teachers"]))
    together = {
        "teachers": list(teachers),
        "other_teachers": list(others),
        "learned": learned,
        "averaged": [run.name for run in runs],
        "history": [],
    }
    story = {**stories[-1], **together}
    differ = len({story.get("prepared_sha256") for story in stories}) > 1
    if differ:
        story.pop("prepared_sha256", None)
    return story | {"other_rows": differ or any(story.get("other_rows") for story in stories)}
