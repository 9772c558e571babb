"""Max, average and stochastic pooling on textures, backgrounds and digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from juanji.nn import AvgPool2d, MaxPool2d, StochasticPool2d

from .accuracy import Accuracy, figures, more_accurate
from .data import backgrounds, digits, textures
from .nets import dense, network
from .record import Claim, Results
from .verdict import Statement

POOLS = {"max": MaxPool2d, "average": AvgPool2d, "stochastic": StochasticPool2d}
STUDIES = {
    data.__name__: Accuracy(
        f"pooling-{data.__name__}",
        data,
        {
            name: network(dense, 16, pool=lambda layer=layer: layer(2))
            for name, layer in POOLS.items()
        },
        classes,
    )
    for data, classes in ((textures, 3), (backgrounds, 3), (digits, 10))
}


def overfits_less(text: str, results: Results, less: str, than: str) -> Statement:
    """State that the accuracy falls less from what was learnt from to what was not."""

    def falls(name: str) -> list[float]:
        accuracies = (figures(results, name, key) for key in ("train_accuracy", "accuracy"))
        return [seen - unseen for seen, unseen in zip(*accuracies, strict=True)]

    pairs = zip(falls(than), falls(less), strict=False)
    return Statement(text, [a - b for a, b in pairs], 0, 100, " points")


def statements(results: Mapping[str, Results]) -> Sequence[Statement]:
    """Each of the article's three sentences, on the data that it is about."""
    found = {name: results[study.name] for name, study in STUDIES.items()}
    return [
        more_accurate(
            "textures: max is better than average pooling", found["textures"], "max", "average"
        ),
        more_accurate(
            "digits, where only presence counts: max is better than average pooling",
            found["digits"],
            "max",
            "average",
        ),
        more_accurate(
            "texture behind a digit: average is better than max pooling",
            found["backgrounds"],
            "average",
            "max",
        ),
        *(
            overfits_less(
                f"{name}: stochastic pooling overfits less than max pooling",
                found[name],
                "stochastic",
                "max",
            )
            for name in STUDIES
        ),
    ]


CLAIM = Claim(
    name="pooling",
    question="Max, average or stochastic pooling?",
    article="001, section 3",
    says="Max pooling keeps textures better, and suits where it only matters whether something is "
    "there. Average pooling keeps the whole of the data and brings the background out. Stochastic "
    "pooling mostly takes the largest value, not always, and so avoids overfitting to some extent.",
    setting="Two stages of two 3x3 units, 16 and 32 channels; the pooling before each stage is "
    "exchanged, the global average at the end stays. Textures: patches of brick, grass and gravel, "
    "20x20, of equal brightness and contrast; learnt from the left halves of the photographs, "
    "tested on the right ones. Backgrounds: the texture is to be told behind a bright digit.",
    studies=list(STUDIES.values()),
    statements=statements,
)
