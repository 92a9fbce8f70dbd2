"""`make corpus`: run the fault corpus through `backtest` and the baselines, and print how well each answers.

python -m tests.corpus                              everything: some 2,250 streams, and the 200 in which no rollback is right
python -m tests.corpus --world loans --fault concept --seeds 0-2
python -m tests.corpus --from build/corpus/results.jsonl --misses      judge a former run again, and list what went wrong
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table as RichTable

from tests.corpus import results as kept
from tests.corpus.made import WORLDS
from tests.corpus.results import KINDS, Result
from tests.corpus.runs import SEEDS, keys_of_faults, keys_of_rollbacks, run_all
from tests.corpus.tables import Table, markdown, misses, stamp, tables

OUT: Final = Path("build/corpus/results.jsonl")
README: Final = Path(__file__).parent / "README.md"
#: What is between these two lines of `README.md` is written by `--write`.
BEGIN: Final = "<!-- tables: written by make corpus -->"
END: Final = "<!-- end of tables -->"


def seeds(text: str) -> range:
    """Read `4`, which is the first four seeds, or `3-9`."""
    first, dash, last = text.partition("-")
    return range(int(first), int(last) + 1) if dash else range(int(text))


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description="Run the fault corpus.")
    parser.add_argument("--world", action="append", default=[], choices=list(WORLDS), help="only this world; may be repeated")
    parser.add_argument("--fault", action="append", default=[], choices=list(KINDS), help="only this fault; may be repeated")
    parser.add_argument("--seeds", type=seeds, default=range(SEEDS), help="how many, or first-last (default: 10)")
    parser.add_argument("--part", choices=["all", "faults", "rollbacks"], default="all", help="which of the two tables")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where the results go (default: {OUT})")
    parser.add_argument("--from", dest="source", type=Path, help="judge these results instead of running")
    parser.add_argument("--misses", action="store_true", help="list each stream that was answered wrongly, and why")
    parser.add_argument("--held-out", action="store_true", help="leave out the seeds and worlds that the rules were tuned on")
    parser.add_argument("--write", action="store_true", help="write the tables into README.md")
    return parser.parse_args(words)


def gather(chosen: argparse.Namespace) -> list[Result]:
    """Run what is asked for, or read it."""
    if chosen.source is not None:
        found = kept.load(chosen.source)
        found = [result for result in found if not chosen.world or result.world in chosen.world]
        return [result for result in found if not chosen.fault or result.fault in chosen.fault]
    keys = []
    if chosen.part != "rollbacks":
        keys += keys_of_faults(chosen.world, chosen.fault, chosen.seeds)
    if chosen.part != "faults":
        keys += keys_of_rollbacks(chosen.world, chosen.fault)
    found = run_all(keys, chosen.jobs)
    kept.save(found, chosen.out)
    return found


def show(table: Table, console: Console) -> None:
    """Print a table."""
    title, heads, rows = table
    drawn = RichTable(*heads, title=title, title_justify="left")
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn)


def write(found: Sequence[Table], took: str) -> None:
    """Put the tables into `README.md`, between its two marks."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    body = "\n".join(markdown(table) for table in found)
    README.write_text(f"{before}{BEGIN}\n\n{took}\n\n{body}\n{END}{after}", encoding="utf-8")


def main(words: Sequence[str]) -> int:
    """Run, print, and say where the results are."""
    chosen = arguments(words)
    began = time.monotonic()
    found = gather(chosen)
    if chosen.held_out:
        found = [result for result in found if not result.tuned]
    if not found:
        sys.stderr.write("nothing to run: no fault makes sense in these worlds\n")
        return 1
    console = Console(width=None if sys.stdout.isatty() else 200)
    if chosen.misses:
        for line in misses(found):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    printed = list(tables(found))
    for table in printed:
        show(table, console)
    spent = f"{len(found)} streams, {sum(result.total for result in found):,} events"
    if chosen.source is None:
        console.print(f"{spent}, {(time.monotonic() - began) / 60:.1f} minutes; the results are in {chosen.out}")
    if chosen.write:
        write(printed, f"Run of {stamp()}: {spent}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
