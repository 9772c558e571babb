"""What is written and what is lit at one step of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

from .scene import Position, Scene, Step, Tap

Key = tuple[int, Position]  # channel and position


@dataclass(slots=True)
class Progress:
    """The state of a scene after one step; without a step, all is done and nothing lit."""

    step: Step | None
    written: dict[str, dict[Key, float]]  # grids that steps write: what stands in them by now
    reads: dict[str, dict[Key, Tap]] = field(default_factory=dict)
    weights: dict[str, set[Key]] = field(default_factory=dict)
    writes: dict[str, set[Key]] = field(default_factory=dict)


def progress(scene: Scene, index: int | None) -> Progress:
    """Replay a scene up to and including step `index`; None: to the end.

    Raises:
        ValueError: there is no such step.
    """
    if index is not None and not 0 <= index < len(scene.steps):
        raise ValueError(f"step must be at least 0 and below {len(scene.steps)}, got {index}")
    done = scene.steps if index is None else scene.steps[: index + 1]
    step = None if index is None else scene.steps[index]
    state = Progress(step, {write.grid: {} for s in scene.steps for write in s.writes})
    for past in done:
        for write in past.writes:
            state.written[write.grid][write.channel, write.position] = write.value
    if step:
        for tap in step.taps:
            state.reads.setdefault(tap.grid, {})[tap.channel, tap.position] = tap
            if tap.weight:
                cell = tap.weight
                state.weights.setdefault(cell.grid, set()).add((cell.channel, cell.position))
        for write in step.writes:
            state.writes.setdefault(write.grid, set()).add((write.channel, write.position))
    return state
