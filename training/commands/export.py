"""``export``: a run to a bundle."""

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from training.commands.options import FOLDER, PREPARED, wide_console


def _fits_manifest(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from schemas.bundle import BundleManifest

    field = BundleManifest.model_fields["name" if parameter.name == "name" else "version"]
    pattern = next(rule.pattern for rule in field.metadata if hasattr(rule, "pattern"))
    if value is not None and not re.match(pattern, value):
        raise click.BadParameter("small letters, digits, dots, hyphens and underscores only", context, parameter)
    return value


@click.command()
@PREPARED
@click.option("--run", type=FOLDER, required=True, help="run of `train` or `distill`")
@click.option("--bundle", type=FOLDER, required=True, help="folder to write")
@click.option("--name", callback=_fits_manifest, help="name of the bundle; default: by its kind")
@click.option(
    "--bundle-version",
    callback=_fits_manifest,
    default=lambda: f"{datetime.now(UTC):%Y%m%d.%H%M}",
    show_default="date and time",
    help="stands in every event, beside the name",
)
@click.option(
    "--prune-vocabulary",
    "frequent",
    type=click.IntRange(0),
    metavar="N",
    help="smaller bundle of an encoder: keep only the pieces of the training rows and N others",
)
def export(
    prepared: Path, run: Path, bundle: Path, name: str | None, bundle_version: str, frequent: int | None
) -> None:
    """Check the served model against the rules and write its bundle."""
    from rich.table import Table

    from training.bundling import export_run
    from training.calibration import LEAST_ROWS_TO_FIT
    from training.export import LEAST_ROWS_OF_A_FIGURE

    manifest = export_run(prepared, run, bundle, name=name, bundle_version=bundle_version, frequent=frequent)
    table = Table("data", "split", "rows", "accuracy", "macro-F1", "ECE", title=f"{manifest.name} {manifest.version}")
    for one in manifest.metrics:
        figures = (f"{figure:.4f}" for figure in (one.accuracy, one.macro_f1, one.ece))
        table.add_row(one.data.name, one.data.split, f"{one.data.rows:,}", *figures)
    console = wide_console()
    if manifest.metrics:
        console.print(table)
    else:
        console.print(f"no figures: fewer than {LEAST_ROWS_OF_A_FIGURE} validation and test rows of every source")
    if manifest.agreement is not None:
        same, flipped = manifest.agreement.same_label, manifest.agreement.flipped_by_rebatching
        console.print(f"{manifest.precision} keeps {100 * same:.2f} % of the labels; re-batching changes {flipped}")
    if manifest.temperature == 1:
        console.print(f"the temperature stays 1: fewer than {LEAST_ROWS_TO_FIT} validation rows, or all right or wrong")
    console.print(f"temperature {manifest.temperature:.3f}; read {bundle / 'README.md'}", soft_wrap=True)
