"""torch.nn <-> specification: the only file that knows torch.nn's attributes."""

from __future__ import annotations

from typing import Any

from torch import nn

from . import spec

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVG_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
PLAIN = CONVOLUTIONS + MAX_POOLS + AVG_POOLS
# how our layers say which of torch.nn's they stand in for, by number of dimensions
MARKS: dict[str, tuple[type[nn.Module], ...]] = {
    "ordinary_conv": CONVOLUTIONS,
    "ordinary_conv_transpose": TRANSPOSED,
    "ordinary_max_pool": MAX_POOLS,
    "ordinary_avg_pool": AVG_POOLS,
}


def is_kind(module: nn.Module, kind: type) -> bool:
    """Whether a module is of a class, or a layer of ours that stands in for torch.nn's class.

    >>> from juanji.nn import Conv2d
    >>> is_kind(Conv2d(3, 8, 3), nn.Conv2d), is_kind(Conv2d(3, 8, 3), nn.Conv1d)
    (True, False)
    """
    ours: Any = module
    return isinstance(module, kind) or any(
        getattr(ours, mark, False) and issubclass(classes[ours.dimensions - 1], kind)
        for mark, classes in MARKS.items()
    )


def is_conv(module: nn.Module) -> bool:
    """Whether a module is an ordinary convolution: torch.nn's, or ours with its attributes."""
    return isinstance(module, CONVOLUTIONS) or getattr(module, "ordinary_conv", False)


def is_transposed(module: nn.Module) -> bool:
    """Whether a module is a transposed convolution, torch.nn's or ours."""
    return isinstance(module, TRANSPOSED) or getattr(module, "ordinary_conv_transpose", False)


def is_max_pool(module: nn.Module) -> bool:
    """Whether a module is a max pooling, torch.nn's or ours."""
    return isinstance(module, MAX_POOLS) or getattr(module, "ordinary_max_pool", False)


def is_avg_pool(module: nn.Module) -> bool:
    """Whether a module is an average pooling, torch.nn's or ours."""
    return isinstance(module, AVG_POOLS) or getattr(module, "ordinary_avg_pool", False)


def is_pool(module: nn.Module) -> bool:
    """Whether a module is a max or average pooling."""
    return is_max_pool(module) or is_avg_pool(module)


def has_window(module: nn.Module) -> bool:
    """Whether a module is a convolution, transposed or not, or a pooling."""
    return is_conv(module) or is_transposed(module) or is_pool(module)


def is_plain(module: nn.Module) -> bool:
    """Whether a layer computes what its class in torch.nn does, no subclass changing it."""
    return not isinstance(module, PLAIN) or type(module).forward in {
        torch_class.forward for torch_class in PLAIN
    }


def conv_arguments(conv: nn.Module) -> dict[str, Any]:
    """Return the arguments that build a layer like `conv`, device and dtype included.

    Raises:
        TypeError: not a convolution.
        ValueError: a padding mode other than zeros, or flip, which no variant has.
    """
    if not is_conv(conv):
        raise TypeError(f"conv must be a convolution of torch.nn or juanji.nn, got {type(conv)}")
    if getattr(conv, "padding_mode", "zeros") != "zeros":
        raise ValueError(f'conv must have padding_mode "zeros", got {conv.padding_mode!r}')
    if getattr(conv, "flip", False):
        raise ValueError("conv must have flip=False, got flip=True")
    return _arguments(conv)


def conv_transpose_arguments(conv: nn.Module) -> dict[str, Any]:
    """Return the arguments that build a layer like the transposed convolution `conv`.

    Raises:
        TypeError: not a transposed convolution.
    """
    if not is_transposed(conv):
        raise TypeError(
            f"conv must be a transposed convolution of torch.nn or juanji.nn, got {type(conv)}"
        )
    module: Any = conv
    return _arguments(conv) | {"output_padding": module.output_padding}


def _arguments(conv: nn.Module) -> dict[str, Any]:
    weight: Any = conv.weight
    return {
        "in_channels": conv.in_channels,
        "out_channels": conv.out_channels,
        "kernel_size": conv.kernel_size,
        "stride": conv.stride,
        "padding": conv.padding,
        "dilation": conv.dilation,
        "groups": conv.groups,
        "bias": conv.bias is not None,
        "device": weight.device,
        "dtype": weight.dtype,
    }


def conv_spec(conv: nn.Module) -> spec.Conv:
    """Return the specification of a convolution module, transposed ones included."""
    module: Any = conv
    transposed = isinstance(conv, TRANSPOSED) or bool(getattr(conv, "transposed", False))
    return spec.Conv(
        spec.windows(module.kernel_size, module.stride, module.padding, module.dilation),
        module.in_channels,
        module.out_channels,
        module.groups,
        flip=getattr(conv, "flip", False),
        transposed=transposed,
        output_padding=tuple(module.output_padding) if transposed else (),
    )


def pool_spec(pool: nn.Module) -> spec.Pool:
    """Return the specification of a pooling module."""
    module: Any = pool
    kinds = enumerate(zip(MAX_POOLS, AVG_POOLS, strict=True), start=1)
    dimensions = getattr(module, "dimensions", None) or next(
        dimensions for dimensions, classes in kinds if isinstance(pool, classes)
    )
    kernel = spec.per_axis("kernel_size", module.kernel_size, dimensions)
    dilation = getattr(module, "dilation", 1)  # torch's average pooling has none
    windows = spec.windows(kernel, module.stride, module.padding, dilation)
    return spec.Pool(windows, module.ceil_mode)


def layer_spec(module: nn.Module) -> spec.Conv | spec.Pool:
    """Return the specification of a convolution or pooling module."""
    return pool_spec(module) if is_pool(module) else conv_spec(module)
