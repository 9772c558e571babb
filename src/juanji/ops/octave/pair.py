"""The pair of maps that octave convolution works on, and how torch's functions pass through it.

A pair stands for one ordinary feature map, high beside low at full size. Where a function acts on
cells or channels one by one it acts on each half; pooling windows slide over each half; whatever
else torch does to a pair it does to the merged map. So networks whose `forward` knows nothing of
octaves carry pairs from one octave layer to the next, and every one of their results is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from .resample import upsample

# (high, low) channel counts of each map of a concatenation, in its order
Parts = tuple[tuple[int, int], ...]


class OctavePair:
    """Feature maps at two resolutions; unpacks like the tuple (high, low).

    Attributes:
        high: (N, C_high, *spatial), or None without high channels.
        low: (N, C_low, *ceil(spatial / 2)), or None without low channels.
        spatial: the full spatial size. The argument `size` gives it where high is None; without it
            it is twice that of low.

    Raises:
        ValueError: both halves are None, or batch or sizes do not belong together.

    >>> import torch
    >>> pair = OctavePair(torch.ones(1, 3, 5), torch.ones(1, 1, 3))
    >>> high, low = torch.relu(pair)
    >>> pair.shape, low.shape
    (torch.Size([1, 4, 5]), torch.Size([1, 1, 3]))
    """

    def __init__(
        self,
        high: Tensor | None,
        low: Tensor | None,
        *,
        size: Sequence[int] | None = None,
        parts: Parts | None = None,
    ) -> None:
        if high is None:
            if low is None:
                raise ValueError("high and low are both None: a pair needs at least one half")
            self.spatial = tuple(size) if size else tuple(2 * n for n in low.shape[2:])
        else:
            self.spatial = tuple(high.shape[2:])
        if low is not None:
            expected = tuple((n + 1) // 2 for n in self.spatial)
            if tuple(low.shape[2:]) != expected:
                raise ValueError(
                    f"low must have spatial size {expected}, half of {self.spatial} rounded up, "
                    f"got {tuple(low.shape[2:])}"
                )
            if high is not None and high.shape[0] != low.shape[0]:
                raise ValueError(
                    f"high and low must have one batch size, got {high.shape[0]} and {low.shape[0]}"
                )
        self.high = high
        self.low = low
        self.parts: Parts = parts or (
            (0 if high is None else high.shape[1], 0 if low is None else low.shape[1]),
        )

    def __iter__(self) -> Iterator[Tensor | None]:
        return iter((self.high, self.low))

    def __repr__(self) -> str:
        shapes = [None if half is None else tuple(half.shape) for half in self]
        return f"OctavePair(high={shapes[0]}, low={shapes[1]})"

    def merge(self) -> Tensor:
        """Return the full-size map (N, C, *spatial), low cells repeated."""
        if self.low is None:
            assert self.high is not None
            return self.high
        low = upsample(self.low, (2,) * len(self.spatial), self.spatial)
        if self.high is None:
            return low
        if len(self.parts) == 1:
            return torch.cat([self.high, low], dim=1)
        halves = zip(
            self.high.split([h for h, _ in self.parts], dim=1),
            low.split([n for _, n in self.parts], dim=1),
            strict=True,
        )
        return torch.cat(list(chain.from_iterable(halves)), dim=1)

    def split(self, x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        """Part the C entries of x along `dim` into those of the high and of the low channels."""
        pieces = x.split(list(chain.from_iterable(self.parts)), dim=dim)
        if len(self.parts) == 1:
            return pieces[0], pieces[1]
        return torch.cat(pieces[0::2], dim), torch.cat(pieces[1::2], dim)

    def map(self, function: Callable[..., Tensor], *halves: tuple[Any, Any]) -> OctavePair:
        """Apply `function` to each half, with the half's own entry of every pair in `halves`."""
        high, low = (
            None if half is None else function(half, *(pair[index] for pair in halves))
            for index, half in enumerate(self)
        )
        return OctavePair(high, low, size=self.spatial, parts=self.parts)

    # Networks treat a pair as the tensor it stands for. Functions of torch arrive in
    # __torch_function__; methods, attributes and operators of tensors are sent there too.

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        from .through import pass_through

        return pass_through(func, args, kwargs or {})

    @property
    def shape(self) -> torch.Size:
        """Shape of the merged map."""
        half = self.low if self.high is None else self.high
        assert half is not None
        return torch.Size((half.shape[0], sum(map(sum, self.parts)), *self.spatial))

    @property
    def ndim(self) -> int:
        """Number of dimensions of the merged map."""
        return 2 + len(self.spatial)

    def size(self, dim: int | None = None) -> Any:
        """Shape of the merged map, or one of its sizes."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Return the number of dimensions of the merged map."""
        return self.ndim

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        attribute = getattr(Tensor, name)
        if callable(attribute):
            return lambda *args, **kwargs: self.__torch_function__(
                attribute, (), (self, *args), kwargs
            )
        return getattr(self.merge(), name)

    def __getitem__(self, index: Any) -> Tensor:
        return self.merge()[index]

    def __len__(self) -> int:
        return self.shape[0]

    def __neg__(self) -> Any:
        return torch.neg(self)  # type: ignore[arg-type]

    def __add__(self, other: Any) -> Any:
        return torch.add(self, other)  # type: ignore[call-overload]

    def __sub__(self, other: Any) -> Any:
        return torch.sub(self, other)  # type: ignore[call-overload]

    def __rsub__(self, other: Any) -> Any:
        return torch.rsub(self, other)  # type: ignore[call-overload]

    def __mul__(self, other: Any) -> Any:
        return torch.mul(self, other)  # type: ignore[arg-type]

    def __truediv__(self, other: Any) -> Any:
        return torch.div(self, other)  # type: ignore[arg-type]

    def __rtruediv__(self, other: Any) -> Any:
        return torch.reciprocal(self) * other  # type: ignore[arg-type]

    def __pow__(self, other: Any) -> Any:
        return torch.pow(self, other)  # type: ignore[call-overload]

    def __abs__(self) -> Any:
        return torch.abs(self)  # type: ignore[arg-type]

    __radd__ = __add__
    __rmul__ = __mul__
