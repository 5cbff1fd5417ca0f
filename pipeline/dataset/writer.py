"""Writing a dataset: rows in order, shard by shard, then its JSON documents."""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors.numpy import save

from pipeline import files
from pipeline.dataset.encoder import Encoder
from pipeline.dataset.shard import BLOCK_ROWS, FORMAT, SHARD_ROWS, Shard, file_name
from pipeline.output_files import ENCODER_FILE, PREPARED_FILE, SCHEMA_FILE

_WRITERS = 2


class Writer:
    """Fills an empty folder with shards: ``add`` rows in order, then ``finish`` once; two threads write the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, list[Shard]] = {}
        self._splits: dict[str, dict[str, Any]] = {}
        self._pool = ThreadPoolExecutor(_WRITERS)
        self._writing: deque[Future[None]] = deque()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, split: str, rows: Shard) -> None:
        """Append rows, any number, to a split."""
        if not len(rows.rows):
            return
        waiting = self._waiting.setdefault(split, [])
        waiting.append(rows)
        if sum(len(part.rows) for part in waiting) >= SHARD_ROWS:
            rows_together = _joined(waiting)
            full = len(rows_together.rows) - len(rows_together.rows) % SHARD_ROWS
            for start in range(0, full, SHARD_ROWS):
                self._write(split, rows_together.part(start, start + SHARD_ROWS))
            self._waiting[split] = [rows_together.part(full)]

    def _write(self, split: str, shard: Shard) -> None:
        entry = self._splits.setdefault(split, {"rows": 0, "shards": []})
        name = file_name(split, len(entry["shards"]))
        listed: dict[str, Any] = {"file": name, "rows": len(shard.rows)}
        entry["rows"] += len(shard.rows)
        entry["shards"].append(listed)
        # What waits to be written lies in memory: no more than a few shards may.
        while len(self._writing) > _WRITERS:
            self._writing.popleft().result()
        self._writing.append(self._pool.submit(self._save, shard, listed))

    def _save(self, shard: Shard, listed: dict[str, Any]) -> None:
        data = save(shard.tensors())
        files.write_bytes(self._folder / listed["file"], data)
        listed["sha256"] = hashlib.sha256(data).hexdigest()

    def finish(
        self,
        schema: Mapping[str, Any],
        encoder: Encoder,
        kept: Sequence[str] = (),
        kept_values: Mapping[str, Mapping[int, str | None]] = MappingProxyType({}),
    ) -> str:
        """Write what still waits and the JSON documents; returns the digest of the prepared data.

        ``kept`` names the columns of the tensor of that name, which the rows have if there are any, ``kept_values`` the
        text of each digest in some of these columns.
        """
        for split, waiting in self._waiting.items():
            rest = _joined(waiting)
            if len(rest.rows):
                self._write(split, rest)
        for writing in self._writing:
            writing.result()
        self._pool.shutdown()
        files.write_json(self._folder / SCHEMA_FILE, dict(schema))
        files.write_json(self._folder / ENCODER_FILE, encoder.to_json())
        content = {
            "format": FORMAT,
            "block_rows": BLOCK_ROWS,
            "schema": files.sha256_file(self._folder / SCHEMA_FILE),
            "encoder": files.sha256_file(self._folder / ENCODER_FILE),
            "splits": self._splits,
            **({"kept": list(kept)} if kept else {}),
            **({"kept_values": {name: _by_hex(texts) for name, texts in kept_values.items()}} if kept_values else {}),
        }
        digest = files.sha256_text(files.canonical_json(content))
        files.write_json(self._folder / PREPARED_FILE, content | {"digest": digest})
        return digest


def _by_hex(texts: Mapping[int, str | None]) -> dict[str, str | None]:
    """By digests as JSON readers keep them whole."""
    return {f"{digest:016x}": text for digest, text in texts.items()}


def _joined(parts: list[Shard]) -> Shard:
    if len(parts) == 1:
        return parts[0]
    columns = [part.tensors() for part in parts]
    return Shard(**{name: np.concatenate([tensors[name] for tensors in columns]) for name in columns[0]})
