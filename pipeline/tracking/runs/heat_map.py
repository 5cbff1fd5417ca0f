"""The weights as heat maps: a class a row, a feature a column, the bias last, red above and blue below zero.

MLflow shows a picture as wide as its tile, in the middle of a square of which the lower half is out of sight: the
pictures are square at least, with the cells at the top, then their labels, then title and scale.

Drawn with Pillow: importing matplotlib alone takes longer than everything else that is logged for a short training.
k is the number of classes, d the number of features.
"""

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# More columns or rows than these are narrower than their labels on a usual screen.
_COLUMNS = 48
_ROWS = 32

_CELL_HEIGHT = 34
_CELL_WIDTHS = (26, 76)
_MARGIN = 16
_TITLE_HEIGHT = 26
_LABEL_LENGTH = 28

# Ends of ColorBrewer's RdBu (colorbrewer2.org), safe for colour-blind readers.
_NEGATIVE = np.array([33, 102, 172])
_POSITIVE = np.array([178, 24, 43])
_WHITE = np.array([255, 255, 255])
_INK = (32, 33, 36)


class HeatMap:
    """The pictures of one model, of equal columns, scale and geometry: the step slider shows change and nothing else.

    ``chosen`` are the columns of W that are drawn, in their order, ``features`` their names; ``scale`` is the weight
    drawn in full colour. All lengths are in pixels.
    """

    def __init__(self, classes: Sequence[str], features: Sequence[str], values: NDArray[np.float64]) -> None:
        """Choose columns and scale for ``values`` (s, k, d + 1), the snapshots of W with b as the last column.

        With more features than fit, those whose last weights are largest in size are drawn.
        """
        size = np.abs(values[-1, :, :-1]).max(axis=0)
        largest = np.argsort(-size, kind="stable")[: _COLUMNS - 1]
        self.chosen = [*sorted(int(column) for column in largest), len(features)]
        self.features = [[*features, "bias"][column] for column in self.chosen]
        chosen_values = np.abs(values[:, :_ROWS, self.chosen])
        self.scale = float(chosen_values[np.isfinite(chosen_values)].max(initial=0.0)) or 1.0
        # Where cells and labels lie.
        self._rows = [_cut(name) for name in classes[:_ROWS]]
        self._columns = [_cut(name) for name in self.features]
        widest = max(_width(name) for name in self._columns)
        narrow, wide = _CELL_WIDTHS
        self._upright = widest > wide or len(self._columns) * wide > 1400
        self._cell_width = narrow if self._upright else max(56, widest + 12)
        self._left = _MARGIN + max(_width(name) for name in self._rows) + 10
        self._bottom = _MARGIN + _CELL_HEIGHT * len(self._rows)  # of the cells
        self._foot = self._bottom + (widest + 16 if self._upright else 30)

    def draw(self, title: str, values: NDArray[np.float64]) -> Image.Image:
        """One picture of ``values`` (k, d + 1)."""
        grid_width = self._cell_width * len(self._columns)
        width = self._left + max(grid_width, _width(title), 220) + _MARGIN
        height = self._foot + _TITLE_HEIGHT + 20 + _MARGIN
        image = Image.new("RGB", (width, max(height, width)), "white")
        draw = ImageDraw.Draw(image)
        self._draw_labels(image, draw)
        self._draw_cells(draw, values[: len(self._rows), self.chosen])
        draw.text((self._left, self._foot), title, fill=_INK, font=_font(15))
        self._draw_scale(draw, self._foot + _TITLE_HEIGHT)
        return image

    def _draw_labels(self, image: Image.Image, draw: ImageDraw.ImageDraw) -> None:
        for row, name in enumerate(self._rows):
            middle = _MARGIN + _CELL_HEIGHT * row + _CELL_HEIGHT // 2
            draw.text((self._left - 10, middle), name, fill=_INK, font=_font(13), anchor="rm")
        for column, name in enumerate(self._columns):
            middle = self._left + self._cell_width * column + self._cell_width // 2
            if self._upright:
                label = _upright_label(name)
                image.paste(label, (middle - label.width // 2, self._bottom + 6))
            else:
                draw.text((middle, self._bottom + 6), name, fill=_INK, font=_font(13), anchor="ma")

    def _draw_cells(self, draw: ImageDraw.ImageDraw, values: NDArray[np.float64]) -> None:
        for row, line in enumerate(values):
            for column, value in enumerate(line):
                x = self._left + self._cell_width * column
                y = _MARGIN + _CELL_HEIGHT * row
                fill = _colour(float(value) / self.scale)
                draw.rectangle((x, y, x + self._cell_width - 2, y + _CELL_HEIGHT - 2), fill=fill)
                if not self._upright:
                    centre = (x + self._cell_width // 2 - 1, y + _CELL_HEIGHT // 2 - 1)
                    ink = "white" if sum(fill) < 390 else _INK
                    draw.text(centre, _number(float(value)), fill=ink, font=_font(12), anchor="mm")

    def _draw_scale(self, draw: ImageDraw.ImageDraw, y: int) -> None:
        x, length = self._left + 48, 120
        for offset in range(length + 1):
            draw.line((x + offset, y, x + offset, y + 12), fill=_colour(2 * offset / length - 1))
        draw.text((x - 8, y + 6), _number(-self.scale), fill=_INK, font=_font(12), anchor="rm")
        draw.text((x + length + 8, y + 6), _number(self.scale), fill=_INK, font=_font(12), anchor="lm")


def _colour(share: float) -> tuple[int, int, int]:
    """The colour of a weight that is ``share`` of the scale, -1 to 1; grey for NaN."""
    if not np.isfinite(share):
        return (160, 160, 160)
    end = _POSITIVE if share > 0 else _NEGATIVE
    red, green, blue = (_WHITE + (end - _WHITE) * min(abs(share), 1.0)).round().astype(int).tolist()
    return (red, green, blue)


def _number(value: float) -> str:
    """Four digits at most, with a real minus sign."""
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.3g}"
    return ("0.00" if text == "-0.00" else text).replace("-", "\N{MINUS SIGN}")


def _cut(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable if len(printable) <= _LABEL_LENGTH else f"{printable[: _LABEL_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"


def _width(text: str) -> int:
    return round(_font(13).getlength(text))


def _upright_label(text: str) -> Image.Image:
    label = Image.new("RGB", (_width(text) + 2, 18), "white")
    ImageDraw.Draw(label).text((0, 9), text, fill=_INK, font=_font(13), anchor="lm")
    return label.transpose(Image.Transpose.ROTATE_90)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which knows Latin, Greek, Cyrillic and Arabic; matplotlib carries it, MLflow needs matplotlib."""
    package = importlib.util.find_spec("matplotlib")
    folders = (package.submodule_search_locations or []) if package else []
    for folder in folders:
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
