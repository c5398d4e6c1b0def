"""``python -m training``: prepare, train, student, distill, average, export, evaluate, compare."""

from typing import Any

import click

from training.commands.average import average
from training.commands.distill import distill
from training.commands.evaluate import compare, evaluate
from training.commands.export import export
from training.commands.prepare import prepare
from training.commands.student import student
from training.commands.train import train
from training.errors import DiskFull, TrainingError
from training.files import is_full
from worker.inference.errors import InferenceError


class _Clear(click.Group):
    """Our own errors, a full disk and a path of no use end with one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (TrainingError, InferenceError) as error:
            raise click.ClickException(str(error)) from error
        except (OSError, RuntimeError) as error:
            if is_full(error):
                raise click.ClickException(str(DiskFull(f"no room left ({error}); free some disk space"))) from error
            if isinstance(error, OSError) and error.filename:
                raise click.ClickException(
                    f"{error.filename}: {error.strerror}; check the path and who may write there"
                ) from error
            raise


@click.group(cls=_Clear, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make, measure and export the models that the worker serves."""


for command in (prepare, train, student, distill, average, export, evaluate, compare):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m training")
