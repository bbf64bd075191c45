"""A narrow residual U-Net with a style vector: the Cellpose architecture at half its width.

Stringer et al., "Cellpose: a generalist algorithm for cellular segmentation", Nature Methods
18 (2021), and its methods section: four levels of residual blocks going down, a global style
vector taken at the lowest, four levels going up that each see the style, and three output maps.
"""

from collections.abc import Sequence

from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128)
"""Feature maps of each level, half of Cellpose's: 1.7 million parameters."""


class FlowNet(nn.Module):
    """Flow in y, flow in x (both times five) and cell logit, from one normalised image.

    Parameters
    ----------
    widths
        Feature maps of each level; sides of the input must divide by ``stride``.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        inputs = (1, *widths[:-1])
        self.down = nn.ModuleList(Down(a, b) for a, b in zip(inputs, widths, strict=True))
        outputs = (*widths, widths[-1])
        self.up = nn.ModuleList(
            Up(outputs[level + 1], outputs[level], widths[-1]) for level in range(len(widths))
        )
        self.output = _convolution(widths[0], 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Compute maps (N, 3, Y, X) from images (N, 1, Y, X)."""
        skips: list[Tensor] = []
        x = image
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        style = x.mean(dim=(2, 3))
        style = style / style.norm(dim=1, keepdim=True).clamp_min(1e-6)
        for level in reversed(range(len(self.up))):
            x = self.up[level](x, skips[level], style)
            if level:
                x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.output(x)


class Down(nn.Module):
    """Two residual pairs of convolutions; sums are made in place, as memory is what takes time."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.project = _convolution(inputs, outputs, 1, relu=False)
        self.first = nn.Sequential(
            _convolution(inputs, outputs, 3), _convolution(outputs, outputs, 3)
        )
        self.second = nn.Sequential(
            _convolution(outputs, outputs, 3), _convolution(outputs, outputs, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, outputs, Y, X) from (N, inputs, Y, X)."""
        x = self.first(x).add_(self.project(x))
        return self.second(x).add_(x)


class Up(nn.Module):
    """Two residual pairs that see the same level on the way down and the style."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.project = _convolution(inputs, outputs, 1, relu=False)
        self.enter = _convolution(inputs, outputs, 3)
        self.convolutions = nn.ModuleList(_convolution(outputs, outputs, 3) for _ in range(3))
        self.styles = nn.ModuleList(nn.Linear(style, outputs) for _ in range(3))

    def forward(self, x: Tensor, skip: Tensor, style: Tensor) -> Tensor:
        """Compute (N, outputs, Y, X) from (N, inputs, Y, X), the skip and (N, style)."""
        shift = [linear(style)[:, :, None, None] for linear in self.styles]
        inner = self.convolutions[0](self.enter(x).add_(skip).add_(shift[0]))
        x = self.project(x).add_(inner)
        inner = self.convolutions[1](x + shift[1])
        return self.convolutions[2](inner.add_(shift[2])).add_(x)


def _convolution(inputs: int, outputs: int, size: int, *, relu: bool = True) -> nn.Sequential:
    """Batch norm, ReLU (in this order, as Cellpose has it) and a convolution."""
    layers: list[nn.Module] = [nn.BatchNorm2d(inputs, momentum=0.05)]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    layers.append(nn.Conv2d(inputs, outputs, size, padding=size // 2))
    return nn.Sequential(*layers)


def count_parameters(network: nn.Module) -> int:
    """Count the trainable numbers of a network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
