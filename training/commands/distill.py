"""``distill``: a student learns from teachers, on unlabelled texts too."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

from training.commands.options import (
    DATA,
    DEFAULT_BASE,
    GLOVE,
    PREPARED,
    PRESET,
    RUN_OUT,
    START,
    fitting_options,
    given,
    glove_path,
    lstm_options,
    refuse_settings_of_another,
)


@click.command()
@DATA
@PREPARED
@GLOVE
@RUN_OUT
@START
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="run of `train distilbert`, bundle, or checkpoint with our labels; several are weighted for each source",
)
@click.option(
    "--student", type=click.Choice(["lstm", "encoder"]), required=True, help="encoder: DistilBERT or any other"
)
@click.option("--base", help=f"of an encoder: Hub name or folder; default: {DEFAULT_BASE}")
@PRESET
@click.option(
    "--unlabelled-share",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="share of the unlabelled texts to learn from",
)
@lstm_options
@fitting_options
@click.pass_context
def distill(  # noqa: PLR0913, PLR0917 - a parameter an option
    context: click.Context,
    /,
    data: Path | None,
    prepared: Path,
    glove: Path | None,
    out: Path,
    start: Path | None,
    teachers: tuple[Path, ...],
    student: Literal["lstm", "encoder"],
    base: str | None,
    preset: str | None,
    unlabelled_share: float,
    **sizes: Any,
) -> None:
    """Teach a student with the soft labels of TEACHERs on labelled and unlabelled texts."""
    import numpy as np

    from training.data.rows import read_rows
    from training.errors import DataUnreadable
    from training.files import refuse_bundle
    from training.lessons import blend, taught_lesson, taught_rows, temperatures
    from training.pipeline import NO_VECTORS, train_encoder, train_lstm
    from training.teachers import teach

    chosen = given(**sizes)
    named_glove = glove if context.get_parameter_source("glove") is ParameterSource.COMMANDLINE else None
    refuse_settings_of_another(student, chosen | given(base=base, preset=preset, glove=named_glove))
    refuse_bundle(out)
    vectors = glove_path(glove, data)
    if student == "lstm" and start is None and (vectors is None or not vectors.exists()):
        raise DataUnreadable(NO_VECTORS if vectors is None else f"{vectors} is missing; name another file with --glove")
    rows = read_rows(prepared)
    learned = taught_rows(rows, unlabelled_share)
    answers = teach(teachers, rows, learned | np.asarray(rows["split"] == "val"), out / "teachers")
    logits, weights = blend(rows, answers)
    for source, temperature in temperatures(rows, logits).items():
        shares = ", ".join(f"{path.name} {weight:.2f}" for path, weight in zip(teachers, weights[source], strict=True))
        click.echo(f"{source}: {shares}; temperature {temperature:.3f}")
    lesson = replace(taught_lesson(rows, logits, learned), teachers=teachers)
    if student == "lstm":
        train_lstm(rows, vectors, out, preset=preset, lesson=lesson, start=start, **chosen)
    else:
        train_encoder(rows, base or DEFAULT_BASE, out, lesson=lesson, start=start, **chosen)
