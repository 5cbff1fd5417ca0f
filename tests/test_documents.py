"""The documents: their length, their links, and the commands that they name."""

import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.commands.cli import cli
from pipeline.documents import yaml_documents
from scripts import rooms

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))

LONGEST_README = 220

# `python -m pipeline WORD ...`, under torchrun or as a list in YAML too; what follows belongs to the command up to the
# end of the line, a comment, or the next command.
COMMAND = re.compile(r"-m[\s,]+((?:pipeline|benchmarks|scripts)(?:\.\w+)*)\b([^\n#|&;\]]*)")
TARGET = re.compile(r"\bmake ([a-z]+)\b")
CHANGE = re.compile(r"-S '?([a-z_][\w.]*)=")
PATH = re.compile(r"\b(?:pipeline|tests|benchmarks|scripts)/[\w./]*\w")
OPTION = re.compile(r"(?<!\S)(--?[a-z][a-z-]*)")


def tokens(document: Path) -> Iterator[Token]:
    """Every token of a document, those within paragraphs, headings and cells too."""
    markdown = MarkdownIt("commonmark").enable("table")
    for token in markdown.parse(document.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def links(document: Path) -> list[str]:
    """The targets of links and pictures, as they are written."""
    attributes = {"link_open": "href", "image": "src"}
    return [unquote(str(token.attrs[attributes[token.type]])) for token in tokens(document) if token.type in attributes]


def targets(document: Path) -> set[Path]:
    """The files that the relative links and pictures of a document name."""
    return {(document.parent / link.partition("#")[0]).resolve() for link in links(document)}


def anchors(document: Path) -> set[str]:
    """The names that GitHub gives the headings: lower case, no punctuation, hyphens for blanks; -1 after a second."""
    names: set[str] = set()
    seen: Counter[str] = Counter()
    for opening, content in pairwise(tokens(document)):
        if opening.type == "heading_open":
            heading = "".join(part.content for part in content.children or ())
            name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            names.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return names


def code(document: Path) -> str:
    """All code spans and blocks, a line each or more; a line that ends in a backslash is joined with the next."""
    kinds = ("code_inline", "fence", "code_block")
    text = "\n".join(token.content for token in tokens(document) if token.type in kinds)
    return re.sub(r"\\\n\s*", " ", text)


def is_runnable(module: str) -> bool:
    """Whether `python -m MODULE` finds something to run."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
    return spec is not None


def test_the_readme_is_short() -> None:
    """Whoever opens the project reads its first page to the end."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_readme_leads_to_every_page() -> None:
    """No page lies in docs/ that README.md does not link, and no picture that no document shows."""
    assert set((ROOT / "docs").glob("*.md")) - targets(README) == set()
    assert set((ROOT / "docs").glob("*.png")) - set().union(*map(targets, DOCUMENTS)) == set()


@EACH_DOCUMENT
def test_links_lead_somewhere(document: Path) -> None:
    """A relative link names a file that is there, and a heading of it where it names one."""
    dead = []
    for link in links(document):
        address = urlsplit(link)
        if address.scheme or address.netloc:
            continue
        target = document.parent / address.path if address.path else document
        if not target.exists() or (address.fragment and address.fragment not in anchors(target)):
            dead.append(link)
    assert dead == []


@EACH_DOCUMENT
def test_commands_exist(document: Path) -> None:
    """`python -m` names a module that runs, a word of the command line, and options that the word has."""
    unknown = []
    for module, rest in COMMAND.findall(code(document)):
        if not is_runnable(module):
            unknown.append(module)
        word = re.match(r"[\s,]+([a-z]+)", rest)
        if module != "pipeline" or word is None:
            continue
        command = cli.commands.get(word[1])
        options = {name for param in command.params for name in param.opts} if command else set()
        wrong = [option for option in OPTION.findall(rest.replace(",", " ")) if option not in {*options, "--help"}]
        if command is None or wrong:
            unknown.append(" ".join([module, word[1], *wrong]))
    assert unknown == []


@EACH_DOCUMENT
def test_make_targets_exist(document: Path) -> None:
    """`make TARGET` names a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    existing = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(TARGET.findall(code(document))) - existing == set()


@EACH_DOCUMENT
def test_params_exist(document: Path) -> None:
    """`-S NAME=VALUE` names a param of params.yaml."""
    params = yaml_documents.parse((ROOT / "params.yaml").read_text(encoding="utf-8"))
    unknown = []
    for name in CHANGE.findall(code(document)):
        place = params
        for part in name.split("."):
            place = place.get(part, {}) if isinstance(place, dict) else {}
        if place == {}:
            unknown.append(name)
    assert unknown == []


@EACH_DOCUMENT
def test_paths_of_code_exist(document: Path) -> None:
    """A file or folder of code that a document names is there."""
    assert [name for name in PATH.findall(code(document)) if not (ROOT / name).exists()] == []


def test_the_rooms_are_drawn_and_described() -> None:
    """docs/design.md draws the rooms and arrows that the imports make; its table lists these rooms and no others."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    graph = rooms.arrows(ROOT / "pipeline")
    assert f"```mermaid\n{rooms.mermaid(graph)}\n```" in text
    listed = re.findall(r"^\| `(\w+)(?:\.py|/)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(graph.nodes)
