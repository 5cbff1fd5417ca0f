"""Records of a training, thinned to what a chart can show."""

from typing import Any

# Seconds: often enough for someone who watches a chart.
SECONDS_BETWEEN_BATCHES = 3.0

# A batch is worth a few pixels of the chart: with batches ever further apart, a training of a day sends about 10,000
# epochs, however many it has.
_RECORDS_IN_BATCH = 16
SHARE_BETWEEN_BATCHES = 0.01


class Recent:
    """The records since the last batch, thinned evenly while they come, so that they never fill the memory."""

    def __init__(self) -> None:
        self._sampled: list[dict[str, Any]] = []
        self._last: list[dict[str, Any]] = []
        self._every = 1
        self._seen = 0

    def add(self, record: dict[str, Any]) -> None:
        """Take one record."""
        if self._seen % self._every == 0:
            self._sampled.append(record)
            if len(self._sampled) == 2 * _RECORDS_IN_BATCH:
                self._sampled = self._sampled[::2]
                self._every *= 2
        self._seen += 1
        self._last = [record]

    def take(self) -> list[dict[str, Any]]:
        """Hand over what was kept, with the latest record at the end, and start anew."""
        taken = self._sampled if self._sampled[-1:] == self._last else self._sampled + self._last
        self._sampled, self._last, self._every, self._seen = [], [], 1, 0
        return taken
