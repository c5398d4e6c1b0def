"""``export``: a run to a bundle."""

from pathlib import Path

import click

from training.commands.options import FOLDER, PREPARED


@click.command()
@PREPARED
@click.option("--run", type=FOLDER, required=True, help="run of `train lstm` or `train distilbert`")
@click.option("--bundle", type=FOLDER, required=True, help="folder to write")
@click.option("--name", help="name of the bundle; default: by its kind")
@click.option("--bundle-version", default="1", show_default=True)
def export(prepared: Path, run: Path, bundle: Path, name: str | None, bundle_version: str) -> None:
    """Check the served model against the rules and write its bundle."""
    from training.pipeline import export_run

    manifest = export_run(prepared, run, bundle, name=name, bundle_version=bundle_version)
    click.echo(manifest.model_dump_json(indent=2, include={"temperature", "agreement", "metrics"}))
