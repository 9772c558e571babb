"""Pooling and unpooling as layers, in 1 to 3 dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from .. import functional as F
from ..spec import Padding, Size, per_axis, windows


class PoolBase(nn.Module):
    """What the layers share: a window. Its 1d, 2d and 3d forms only set `dimensions`."""

    dimensions: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = per_axis("kernel_size", kernel_size, self.dimensions)
        self.stride = per_axis(
            "stride", self.kernel_size if stride is None else stride, self.dimensions
        )
        self.padding = padding
        self.dilation = per_axis("dilation", dilation, self.dimensions)
        windows(self.kernel_size, self.stride, self.padding, self.dilation)  # checks the arguments

    def extra_repr(self) -> str:
        """Describe the layer as torch.nn does, defaults left out."""
        text = f"kernel_size={self.kernel_size}"
        defaults = {
            "stride": self.kernel_size,
            "padding": 0,
            "dilation": (1,) * self.dimensions,
            "ceil_mode": False,
            "count_include_pad": True,
            "divisor_override": None,
            "return_indices": False,
        }
        for name, default in defaults.items():
            value = getattr(self, name, default)
            if value != default:
                text += f", {name}={value!r}"
        return text


class MaxPool(PoolBase):
    """Maximum of every window, with torch.nn's arguments and every padding of `F.max_pool`.

    Shapes: (N, C, *spatial) or (C, *spatial) to the same with fewer cells; with `return_indices` a
    pair of the values and their indices, for `MaxUnpool`.

    >>> import torch
    >>> MaxPool2d(3, stride=2, padding="same")(torch.randn(1, 3, 8, 9)).shape
    torch.Size([1, 3, 4, 5])
    """

    ordinary_max_pool = True  # what juanji.interop goes by

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation)
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Pool `input`."""
        return F.max_pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class MaxPool1d(MaxPool):
    """`MaxPool` on (N, C, length)."""

    dimensions = 1


class MaxPool2d(MaxPool):
    """`MaxPool` on (N, C, height, width)."""

    dimensions = 2


class MaxPool3d(MaxPool):
    """`MaxPool` on (N, C, depth, height, width)."""

    dimensions = 3


class AvgPool(PoolBase):
    """Average of every window, with torch.nn's arguments, every padding of `F.avg_pool`, dilation.

    Shapes: (N, C, *spatial) or (C, *spatial) to the same with fewer cells.

    >>> import torch
    >>> AvgPool2d(2, padding="same")(torch.randn(1, 3, 7, 9)).shape
    torch.Size([1, 3, 4, 5])
    """

    ordinary_avg_pool = True  # what juanji.interop goes by

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        dilation: Size = 1,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool `input`."""
        return F.avg_pool(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override, dilation=self.dilation,
        )  # fmt: skip


class AvgPool1d(AvgPool):
    """`AvgPool` on (N, C, length)."""

    dimensions = 1


class AvgPool2d(AvgPool):
    """`AvgPool` on (N, C, height, width)."""

    dimensions = 2


class AvgPool3d(AvgPool):
    """`AvgPool` on (N, C, depth, height, width)."""

    dimensions = 3


class StochasticPool(PoolBase):
    """Draw one value of every window in proportion to it; in evaluation, their weighted mean.

    Values have to be finite and non-negative: place it after a ReLU. `torch.manual_seed` makes it
    reproducible. Zeiler and Fergus, 2013, https://arxiv.org/abs/1301.3557; see
    `F.stochastic_pool`.

    Shapes: (N, C, *spatial) or (C, *spatial) to the same with fewer cells; with `return_indices` a
    pair of the values and their indices, for `MaxUnpool`.

    >>> import torch
    >>> StochasticPool2d(2).eval()(torch.tensor([[[1.0, 3.0], [0.0, 0.0]]]))
    tensor([[[2.5000]]])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        *,
        return_indices: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """Draw in training, average in evaluation."""
        return F.stochastic_pool(
            input, self.kernel_size, self.stride, self.padding,
            training=self.training, return_indices=self.return_indices,
        )  # fmt: skip


class StochasticPool1d(StochasticPool):
    """`StochasticPool` on (N, C, length)."""

    dimensions = 1


class StochasticPool2d(StochasticPool):
    """`StochasticPool` on (N, C, height, width)."""

    dimensions = 2


class StochasticPool3d(StochasticPool):
    """`StochasticPool` on (N, C, depth, height, width)."""

    dimensions = 3


class MaxUnpool(PoolBase):
    """Write pooled values back to where they came from, with torch.nn's arguments.

    Shapes: two inputs (N, C, *pooled), values and indices, to (N, C, *spatial).

    >>> import torch
    >>> pool, unpool = MaxPool2d(2, return_indices=True), MaxUnpool2d(2)
    >>> unpool(*pool(torch.tensor([[[1.0, 3.0], [0.0, 2.0]]])))
    tensor([[[0., 3.],
             [0., 0.]]])
    """

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Padding = 0) -> None:
        super().__init__(kernel_size, stride, padding)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Write `input` to the cells at `indices`; `output_size` as in `F.max_unpool`."""
        return F.max_unpool(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool1d(MaxUnpool):
    """`MaxUnpool` on (N, C, length)."""

    dimensions = 1


class MaxUnpool2d(MaxUnpool):
    """`MaxUnpool` on (N, C, height, width)."""

    dimensions = 2


class MaxUnpool3d(MaxUnpool):
    """`MaxUnpool` on (N, C, depth, height, width)."""

    dimensions = 3


class AvgUnpool(PoolBase):
    """Copy every value to its whole window; where windows overlap, cells get the average.

    Shapes: (N, C, *pooled) to (N, C, *spatial).

    >>> import torch
    >>> AvgUnpool1d(2)(torch.tensor([[1.0, 2.0]]))
    tensor([[1., 1., 2., 2.]])
    """

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Padding = 0) -> None:
        super().__init__(kernel_size, stride, padding)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Spread `input`; `output_size` as in `F.avg_unpool`."""
        return F.avg_unpool(input, self.kernel_size, self.stride, self.padding, output_size)


class AvgUnpool1d(AvgUnpool):
    """`AvgUnpool` on (N, C, length)."""

    dimensions = 1


class AvgUnpool2d(AvgUnpool):
    """`AvgUnpool` on (N, C, height, width)."""

    dimensions = 2


class AvgUnpool3d(AvgUnpool):
    """`AvgUnpool` on (N, C, depth, height, width)."""

    dimensions = 3
