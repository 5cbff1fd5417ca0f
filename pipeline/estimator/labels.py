"""The labels of y as a column of a table, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Labels:
    """The classes (k,), sorted; ``as_positions``: the table holds their positions, since no column of it holds them.

    Integers, texts and booleans stand in the table as they are, so that a model names its classes as y does.
    """

    classes: NDArray[Any]
    as_positions: bool

    @classmethod
    def of(cls, y: NDArray[Any], missing_values: tuple[str, ...]) -> "Labels":
        """Of y (n,); a text that means no value is none as it stands."""
        classes = np.unique(y)
        texts = [label for label in classes.tolist() if isinstance(label, str)]
        is_plain = (
            classes.dtype.kind in "ib"
            or (classes.dtype.kind == "u" and int(classes.max(initial=0)) < 2**63)
            or (len(texts) == len(classes) and not any(_is_reserved(text, missing_values) for text in texts))
        )
        return cls(classes, not is_plain)

    def column(self, y: NDArray[Any]) -> Any:
        """y (n,) as an Arrow array."""
        if self.as_positions:
            return pa.array(np.searchsorted(self.classes, y))
        return pa.array(y.tolist())


def _is_reserved(text: str, missing_values: tuple[str, ...]) -> bool:
    return text in missing_values or not text.strip() or "\0" in text
