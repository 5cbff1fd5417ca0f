"""The C sources of the compiled twins, and their digest; setup.py reads both."""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "kernels"


def digest() -> str:
    """SHA-256 over names and texts, in hexadecimal; lines may end as the system has it."""
    result = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.[ch]")):
        result.update(f"{path.name}\n".encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return result.hexdigest()
