"""What a request is to the protocols, what they answer, and the sentence for one that cannot be answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

JSON = b"application/json"


@dataclass(frozen=True)
class Request:
    """A request whose body has arrived; names of headers are in lower case, of one that came twice the last counts."""

    path: str
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass(frozen=True)
class Response:
    """Status, body and the headers beside Content-Length; ``rows`` were scored."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())
    rows: int = 0


class RequestError(Exception):
    """A request that cannot be answered: one sentence, with the HTTP status that the protocols have for it."""

    def __init__(self, status: int, sentence: str, *, closes: bool = False) -> None:
        """With ``closes`` the connection ends after the answer: what else the client sends is not read."""
        super().__init__(sentence)
        self.status, self.closes = status, closes
