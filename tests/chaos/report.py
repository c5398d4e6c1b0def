"""The table at the end, and whether it is a pass."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.chaos.checks import Outcomes


@dataclass(frozen=True, slots=True)
class Report:
    seed: int
    took_s: float
    tweets: int
    acts: Mapping[str, int]
    crashes: Mapping[int, int]
    """Exit codes of workers that ended by themselves."""
    rebalances: int
    outcomes: Outcomes
    repeats_bound: int
    count_errors: tuple[str, ...]
    windows_checked: int
    wrong_outcomes: tuple[str, ...]
    """Events and letters that are not what their tweet should have become."""
    answers: int
    """How often a worker told the counts while it ran."""
    wrong: tuple[str, ...]
    """Wrong answers while it ran, unclean ends."""
    memory_mb: tuple[float, ...]
    """The largest worker in each tenth of the run."""

    @property
    def violations(self) -> list[str]:
        """Sentences; empty means that everything held."""
        found = self.outcomes
        broken = {
            f"{len(found.lost)} tweets lost: {found.lost[:5]}": found.lost,
            f"{len(found.foreign)} outcomes of unknown tweets: {found.foreign[:5]}": found.foreign,
            f"{len(found.repeated_alone)} repeats with one worker: {found.repeated_alone[:5]}": found.repeated_alone,
            f"{found.misplaced} outcomes in the wrong partition": found.misplaced,
            f"{found.out_of_order} outcomes out of order": found.out_of_order,
            f"{len(found.repeated_together)} repeats across rebalances, at most {self.repeats_bound} are explained": (
                len(found.repeated_together) > self.repeats_bound
            ),
            "no worker told the counts while it ran": not self.answers,
            "no window was compared with the outcomes": not self.windows_checked,
        }
        return [sentence for sentence, is_broken in broken.items() if is_broken] + [
            *self.count_errors,
            *self.wrong_outcomes,
            *self.wrong,
        ]

    def print(self, console: Console) -> None:
        table = Table("what", "number", title=f"chaos, seed {self.seed}, {self.took_s:.0f} s")
        rows: dict[str, object] = {
            "tweets": self.tweets,
            **self.acts,
            **{f"workers that ended by themselves with {code}": n for code, n in sorted(self.crashes.items())},
            "rebalances": self.rebalances,
            "lost": len(self.outcomes.lost),
            "repeated, one worker": len(self.outcomes.repeated_alone),
            f"repeated across rebalances (bound {self.repeats_bound})": len(self.outcomes.repeated_together),
            "out of order": self.outcomes.out_of_order,
            "wrong labels, reasons or times": len(self.wrong_outcomes),
            f"count errors ({self.windows_checked} windows)": len(self.count_errors),
            f"wrong answers while it ran (of {self.answers})": len(self.wrong),
            "largest worker in each tenth, MB": " ".join(f"{mb:.0f}" for mb in self.memory_mb),
        }
        for what, number in rows.items():
            table.add_row(what, str(number))
        console.print(table)
        for sentence in self.violations[:40]:
            console.print(f"violated: {sentence}")
