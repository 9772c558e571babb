"""Where the axes of a model's input lie in a tensor, and what each position sees of the input.

Every dimension of the input is an axis; which of them are spatial is known once a window slides
over them. A dimension of a later tensor is a product of atoms, as `reshape` makes them: an atom
either runs along an input axis or along something new (channels of a convolution).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from .sight import Cells, Sight, span, unite


@dataclass(frozen=True, slots=True)
class Atom:
    """A factor of a dimension; `axis` is the input axis it runs along, if any."""

    size: int
    axis: int | None = None


Dim = tuple[Atom, ...]


ITSELF = Sight()


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen along one axis of the input."""

    sight: Sight = ITSELF  # by each position, through windows
    span: Cells | None = None  # by all positions, through global operations
    windowed: bool = False  # a window slid over the axis
    lost: str = ""  # why the axis cannot be followed further


@dataclass(frozen=True, slots=True)
class Track:
    """The dimensions of a tensor, and what is seen along every axis of the input."""

    dims: tuple[Dim, ...]
    seen: tuple[Seen, ...]

    def has(self, axis: int) -> bool:
        """Whether positions of the tensor run along the axis."""
        return any(atom.axis == axis for dim in self.dims for atom in dim)

    def with_seen(self, axis: int, seen: Seen) -> Track:
        """Replace what is seen along one axis."""
        return replace(self, seen=(*self.seen[:axis], seen, *self.seen[axis + 1 :]))

    def with_dim(self, dim: int, *new: Dim) -> Track:
        """Replace one dimension by any number of others."""
        return replace(self, dims=(*self.dims[:dim], *new, *self.dims[dim + 1 :]))


def fresh(size: int) -> Dim:
    """Return a dimension along no axis of the input."""
    return (Atom(size),)


def begin(shape: Sequence[int]) -> Track:
    """Return the track of an input: every dimension is an axis, every position sees itself."""
    return Track(tuple((Atom(n, axis),) for axis, n in enumerate(shape)), (Seen(),) * len(shape))


def size(dim: Dim) -> int:
    """Return the size of a dimension."""
    return prod(atom.size for atom in dim)


def axes(dims: Iterable[Dim]) -> dict[int, int]:
    """Return the axes along the dimensions, with the number of positions along each."""
    return {atom.axis: atom.size for dim in dims for atom in dim if atom.axis is not None}


def mix(track: Track, dims: Iterable[Dim]) -> Track:
    """Every position comes to see all positions along the dimensions."""
    for axis, cells in axes(dims).items():
        seen = track.seen[axis]
        everything = span([*seen.sight.ends(cells), seen.span])
        track = track.with_seen(axis, replace(seen, span=everything))
    return track


def forget(track: Track, dims: Iterable[Dim], reason: str) -> Track:
    """Give up the axes along the dimensions."""
    gone = axes(dims)
    for axis in gone:
        track = track.with_seen(axis, replace(track.seen[axis], lost=reason))
    return replace(
        track,
        dims=tuple(
            tuple(Atom(atom.size, None if atom.axis in gone else atom.axis) for atom in dim)
            for dim in track.dims
        ),
    )


def settle(track: Track, dim: int, reason: str) -> tuple[Track, int | None]:
    """Bring a dimension into the form of one atom, and return the axis along it.

    Repetition makes cells of an axis (n) times new ones (r): position x sees cell floor(x / r).
    """
    atoms = [atom for atom in track.dims[dim] if atom.size != 1 or atom.axis is not None]
    along = [atom.axis for atom in atoms if atom.axis is not None]
    if not along:
        return track.with_dim(dim, fresh(size(track.dims[dim]))), None
    axis = along[0]
    if len(along) > 1 or atoms[0].axis != axis or axis in axes(_others(track, dim)):
        track = forget(track, [track.dims[dim]], reason)
        return track.with_dim(dim, fresh(size(track.dims[dim]))), None
    repeats = prod(atom.size for atom in atoms[1:])
    if repeats > 1:
        track = look(track, axis, lambda x: [x // repeats], period=repeats)
    return track.with_dim(dim, (Atom(size(track.dims[dim]), axis),)), axis


def _others(track: Track, dim: int) -> tuple[Dim, ...]:
    return (*track.dims[:dim], *track.dims[dim + 1 :])


def look(
    track: Track,
    axis: int,
    sources: Callable[[int], Iterable[int]],
    period: int = 1,
    shift: int = 1,
) -> Track:
    """Position x along the axis comes to read the old positions sources(x); see `Sight.through`."""
    seen = track.seen[axis]
    return track.with_seen(axis, replace(seen, sight=seen.sight.through(sources, period, shift)))


def regroup(track: Track, shape: Sequence[int], reason: str) -> Track:
    """Follow a reshape. An axis that is cut keeps its coarse positions; each sees its block."""
    atoms = _atoms(track.dims)
    dims: list[Dim] = []
    for wanted in shape:
        dim: Dim = ()
        while atoms and (size(dim) != wanted or (wanted == 1 and not dim and atoms[0].size == 1)):
            atom, have = atoms[0], size(dim)
            room = wanted // have if have else 0
            if atom.size == 0 or (room and room % atom.size == 0):
                dim = (*dim, atoms.pop(0))
            elif room > 1 and atom.size % room == 0:
                inner = atom.size // room
                if atom.axis is not None:
                    track = _cut(track, atom.axis, inner, reason)
                dim = (*dim, Atom(room, atom.axis))
                atoms[0] = Atom(inner)
            else:
                break
        if size(dim) != wanted:
            break
        dims.append(dim or fresh(wanted))
    if len(dims) < len(shape) or any(atom.size != 1 for atom in atoms):
        track = forget(track, track.dims, reason)
        return replace(track, dims=tuple(map(fresh, shape)))
    track = mix(track, [tuple(atoms)])  # axes of size 1 that the reshape dropped
    return replace(track, dims=tuple(dims))


def _atoms(dims: Iterable[Dim]) -> list[Atom]:
    """Return the atoms in order, neighbours that run along no axis joined."""
    atoms: list[Atom] = []
    for atom in (atom for dim in dims for atom in dim):
        if atom.axis is None and atom.size == 1:
            continue
        if atoms and atom.axis is None and atoms[-1].axis is None:
            atoms[-1] = Atom(atoms[-1].size * atom.size)
        else:
            atoms.append(atom)
    return atoms


def _cut(track: Track, axis: int, inner: int, reason: str) -> Track:
    if sum(atom.axis == axis for dim in track.dims for atom in dim) > 1:
        return track.with_seen(axis, replace(track.seen[axis], lost=reason))
    return look(track, axis, lambda x: range(x * inner, (x + 1) * inner), shift=inner)


def meet(tracks: Sequence[Track], shape: Sequence[int], reason: str) -> Track:
    """Return the track of an elementwise result: dimensions broadcast, views united."""
    aligned = [
        replace(track, dims=((),) * (len(shape) - len(track.dims)) + track.dims) for track in tracks
    ]
    dims: list[Dim] = []
    for index, wanted in enumerate(shape):
        stretched = [i for i, t in enumerate(aligned) if size(t.dims[index]) == 1 != wanted]
        for i in stretched:  # broadcast: every position sees the one that is there
            aligned[i] = mix(aligned[i], [aligned[i].dims[index]]).with_dim(index, ())
        found = {t.dims[index] for t in aligned if axes([t.dims[index]])}
        if len(found) > 1:
            settled = [settle(t, index, reason)[0] for t in aligned]
            found = {t.dims[index] for t in settled if axes([t.dims[index]])}
            aligned = settled
            if len(found) > 1:
                aligned = [forget(t, [t.dims[index]], reason) for t in aligned]
                found = set()
        dims.append(found.pop() if found else fresh(wanted))
    seen = []
    for axis in range(len(tracks[0].seen)):
        seen.append(_unite([(track.seen[axis], track.has(axis)) for track in aligned], reason))
    return Track(tuple(dims), tuple(seen))


def _unite(parts: list[tuple[Seen, bool]], reason: str) -> Seen:
    """Unite what maps that meet see along one axis; each comes with whether it has positions."""
    lost = next((seen.lost for seen, _ in parts if seen.lost), "")
    located = [seen.sight for seen, has in parts if has]
    # where no positions are left that could be compared: the widest
    sight = max((seen.sight for seen, _ in parts), key=lambda sight: sight.size)
    if located:
        try:
            sight = unite(located)
        except ValueError:
            lost = lost or f"{reason}, where maps of different steps meet"
    return Seen(
        sight,
        span(seen.span for seen, _ in parts),
        any(seen.windowed for seen, _ in parts),
        lost,
    )


def drop(track: Track, dims: Sequence[int]) -> Track:
    """Remove dimensions; the one position that is left along them is what all others see."""
    track = mix(track, [track.dims[dim] for dim in dims])
    return replace(track, dims=tuple(d for dim, d in enumerate(track.dims) if dim not in dims))


def renew(track: Track, dims: Sequence[int], sizes: Sequence[int]) -> Track:
    """Replace dimensions by ones along no axis."""
    for dim, cells in zip(dims, sizes, strict=True):
        track = track.with_dim(dim, fresh(cells))
    return track
