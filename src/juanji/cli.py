"""The command line: arguments -> calls; what they do is said where they are defined."""

from __future__ import annotations

import json
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

try:
    import typer
    from typer.exceptions import TyperException
except ImportError:
    print('the juanji command needs: pip install "juanji[study]"', file=sys.stderr)
    sys.exit(2)

INTERRUPTED = 130  # what typer makes of Ctrl-C: 128 + the signal's number

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Convolution in all its forms: swap, train and measure it side by side.",
)

Net = Annotated[str, typer.Option(help="A known network, or package.module:function.")]
Swaps = Annotated[
    list[str], typer.Option("--swap", help="octave:0.25, depthwise-separable, ...; repeatable.")
]
Input = Annotated[str, typer.Option(help="The shape of an image, as 3x224x224.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.callback()
def juanji() -> None:
    """Keep the commands' names even while there is only one."""


@app.command()
def compare(
    net: Net,
    data: Annotated[str, typer.Option(help="digits, mnist5k, or a folder of class folders.")],
    swap: Swaps,
    out: Annotated[str, typer.Option(help="The folder of this run.")],
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = 8,
    repeats: Annotated[int, typer.Option(help="Trainings of every variant.")] = 3,
    batch: Annotated[int, typer.Option(help="Images in a training step.")] = 128,
    optimizer: Annotated[str, typer.Option(help="adamw or sgd.")] = "adamw",
    learning_rate: Annotated[float | None, typer.Option(help="The schedule's highest.")] = None,
    seed: Annotated[int, typer.Option(help="Of the first repeat.")] = 0,
    threads: Annotated[int | None, typer.Option(help="As torch has them if not given.")] = None,
    as_json: Json = False,
) -> int:
    """Train a network as it is and with each swap, measure all, and write a report.

    The same command again continues where it stopped.
    """
    import juanji

    result = juanji.compare(
        net,
        data,
        swap,
        epochs=epochs,
        repeats=repeats,
        out=out,
        batch=batch,
        optimizer=optimizer,
        learning_rate=learning_rate,
        seed=seed,
        threads=threads,
    )
    if as_json:
        print(json.dumps(result.table, indent=1))
    else:
        result.show()
    print(f"report: {result.report}", file=sys.stderr)
    return 1 if result.failed else 0


@app.command()
def analyze(
    net: Net,
    input: Input,
    swap: Annotated[str | None, typer.Option(help="Analyze the network with this swap.")] = None,
    time: Annotated[bool, typer.Option(help="Measure forward times too.")] = True,
    as_json: Json = False,
) -> int:
    """Count a network's weights, arithmetic and memory, and what it sees, module by module."""
    import juanji
    from juanji.study import networks

    report = juanji.analyze(*networks.example(net, input, swap), time=time)
    print(report.to_json() if as_json else report)
    return 0


@app.command()
def convert(
    net: Net,
    input: Input,
    swap: Annotated[str, typer.Option(help="octave:0.25, depthwise-separable, ...")],
    out: Annotated[str, typer.Option("--out", "-o", help="A .onnx, .pt2 or .safetensors file.")],
    weights: Annotated[
        str | None, typer.Option(help="The network's trained weights: .safetensors, .pt or .pth.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help='Only these layers: "layer1.*", re:...; repeatable.')
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not these layers; repeatable.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="A .json file that rebuilds the network from its code.")
    ] = None,
) -> int:
    """Swap the convolutions of a network, and write it as ONNX, torch.export or a state dict."""
    import juanji
    from juanji.exporting import load_state
    from juanji.study import networks

    model, image = networks.example(net, input)
    if weights is not None:
        load_state(model, weights)
    chosen, left = tuple(where or ()) or None, tuple(exclude or ()) or None
    made = juanji.plan(model, swap, image, where=chosen, exclude=left)
    print(made)
    juanji.export(made.apply(model), out, image)
    if plan is not None:
        made.save(plan)
    print(out)
    return 0


@app.command()
def bench(
    operator: Annotated[
        list[str] | None, typer.Option(help="depthwise, max-pool, ...; repeatable; default all.")
    ] = None,
    size: Annotated[
        list[str] | None, typer.Option(help="small, medium or large; repeatable; default all.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Medium size, fewer turns.")] = False,
    threads: Annotated[int | None, typer.Option(help="As torch has them if not given.")] = None,
    out: Annotated[str, typer.Option(help="The folder of the results.")] = "runs/bench",
) -> int:
    """Check every operator against float64, then time it beside torch: table, JSON and page.

    The results are written at the end; a run that is stopped leaves those of the run before.
    """
    from juanji.bench import run

    try:
        result = run(operator or (), size or (), quick=quick, threads=threads, out=out)
    except KeyboardInterrupt:
        sys.exit(say("stopped; the results of the last complete run are kept", INTERRUPTED))
    result.show()
    print(f"report: {result.report}", file=sys.stderr)
    return 1 if result.wrong else 0


@app.command()
def draw(
    operator: Annotated[str, typer.Argument(help="conv, conv-transpose, max-pool, octave, ...")],
    out: Annotated[str, typer.Option("--out", "-o", help="A .gif, .svg or .html file.")],
    input: Annotated[str | None, typer.Option(help="Its size: 5, or per axis 5x7.")] = None,
    kernel: Annotated[str | None, typer.Option(help="3, or per axis 3x5.")] = None,
    stride: Annotated[str | None, typer.Option(help="2, or per axis 2x1.")] = None,
    padding: Annotated[str | None, typer.Option(help="1, 1x2, 1+0x2, same, full.")] = None,
    dilation: Annotated[str | None, typer.Option(help="2, or per axis 2x1.")] = None,
    groups: Annotated[str | None, typer.Option(help="Of channels.")] = None,
    channels: Annotated[str | None, typer.Option(help="Of the input.")] = None,
    out_channels: Annotated[str | None, typer.Option(help="Of the output.")] = None,
    dimensions: Annotated[int | None, typer.Option(help="1, 2 or 3 axes.")] = None,
    more: Annotated[
        list[str] | None, typer.Option("--set", help="Any other argument: flip=true; repeatable.")
    ] = None,
    step: Annotated[int | None, typer.Option(help="The step an .svg shows.")] = None,
    image: Annotated[
        str | None, typer.Option(help="A picture file, whose octaves and their paths are drawn.")
    ] = None,
) -> int:
    """Draw an operator step by step: an animation, a still, or a page with a player."""
    from juanji.draw import operators, photo, words
    from juanji.explanation import Explanation

    said = {
        "input": input, "kernel": kernel, "stride": stride, "padding": padding,
        "dilation": dilation, "groups": groups, "channels": channels, "out_channels": out_channels,
        **words.settings(more or ()),
    }  # fmt: skip
    found = operators.find(operator)
    given = {name: text for name, text in said.items() if text is not None}
    if image is not None:
        if operator != "octave" or given or dimensions is not None:
            raise ValueError("image goes with the operator octave, and with no other argument")
        Explanation(photo.scene(image)).save(out, step=step)
        print(out)
        return 0
    Explanation(words.scene(found, given, dimensions)).save(out, step=step)
    print(out)
    return 0


@app.command()
def explore(
    out: Annotated[str, typer.Option("--out", "-o", help="The page's file.")] = "explore.html",
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> int:
    """Write the explorer: one page, without network, to try every operator step by step."""
    from juanji.explore import page

    path = Path(out)
    path.write_text(page(), encoding="utf-8")
    print(path)
    if show and not webbrowser.open(path.resolve().as_uri()):
        raise OSError(f"no browser could be opened; the page is {path}")
    return 0


@app.command()
def operators(as_json: Json = False) -> int:
    """List every operator and layer: dimensions, formula, arithmetic, source."""
    from juanji import catalog

    print(json.dumps(catalog.rows(), indent=1, ensure_ascii=False) if as_json else catalog.text())
    return 0


@app.command()
def nets(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; default all.")] = None,
    as_json: Json = False,
) -> int:
    """List the known networks: weights, multiply-adds of one input, view, paper.

    All figures are computed now. --json has the published ones beside them, and their sources.
    """
    from juanji.study import listing

    listed = listing.known(names or ())
    if as_json:
        print(json.dumps(list(listing.rows(listed)), indent=1, ensure_ascii=False))
        return 0
    print(listing.TITLE)
    for row in listing.rows(listed):
        print(listing.line(row), flush=True)
    return 0


def main() -> None:
    """Run the command. What is wrong with the input is one line on the error stream and code 2."""
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        code = say(f"{error.format_message()} Try 'juanji --help'.", error.exit_code)
    except (ValueError, TypeError, OSError, ImportError) as error:
        code = say(str(error), 2)
    except MemoryError as error:
        code = say(f"out of memory: {error}", 2)
    if code == INTERRUPTED:
        say("stopped; what is finished is kept, and the same command continues", code)
    sys.exit(code)


def say(text: str, code: int) -> int:
    """Print one line on the error stream; hand the exit code on."""
    print(f"juanji: {' '.join(text.split())}", file=sys.stderr)
    return code
