"""ranges.json: what is written is read back, of its own data alone, and never when it is damaged."""

import json

import pytest

from pipeline import files
from pipeline.errors import UserError
from pipeline.predictor import ranges

DIGEST, OTHER = "a" * 64, "b" * 64
RANGES = {"x": (-1.5, 2.0), 'a "quoted", name\n': (0.0, 1e300)}


def test_ranges_are_read_back_and_belong_to_their_data() -> None:
    content = ranges.content(RANGES, DIGEST)
    assert ranges.parse(content, "ranges.json", DIGEST) == RANGES
    assert ranges.parse(content, "ranges.json", OTHER) is None


def _sealed(**changes: object) -> bytes:
    document = json.loads(ranges.content(RANGES, DIGEST)) | changes
    document.pop("digest")
    return files.canonical_json(document | {"digest": files.sha256_text(files.canonical_json(document))}).encode()


BAD = {
    "cut": ranges.content(RANGES, DIGEST)[:-20],
    "edited": ranges.content(RANGES, DIGEST).replace(b"2.0", b"3.0"),
    "texts": _sealed(ranges={"x": ["0", "1"]}),
    "one bound": _sealed(ranges={"x": [0.0]}),
    "a list": _sealed(ranges=[]),
    "another format": _sealed(format="softmax-ranges/2"),
}


@pytest.mark.parametrize("content", BAD.values(), ids=[*BAD])
def test_what_is_no_ranges_is_one_sentence(content: bytes) -> None:
    with pytest.raises(UserError, match=r"ranges\.json"):
        ranges.parse(content, "ranges.json", DIGEST)


def test_a_schema_says_the_ranges_of_its_numbers() -> None:
    columns = [
        {"name": "x", "minimum": 1.0, "maximum": 2.0},
        {"name": "t", "levels": []},
        {"name": "n", "minimum": None},
    ]
    assert ranges.ranges_of({"columns": columns}) == {"x": (1.0, 2.0)}
