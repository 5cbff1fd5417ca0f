"""Counts the rooms of pipeline/, or of a package below it: `python -m scripts.rooms [pipeline/numerics] [--mermaid]`.

A room is a module or package that lies directly in the folder; an arrow from one room to another is an import, drawn
once; a room's floor is one above the highest that it imports, those of a circle sharing one.
"""

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import networkx

ROOT = Path(__file__).parent.parent


def imported_modules(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it: of `from a import b` both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows(folder: Path) -> networkx.DiGraph:
    """The rooms of ``folder`` as a graph: from each to those that it imports."""
    prefix = ".".join(folder.relative_to(ROOT).parts) + "."
    graph = networkx.DiGraph()
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        graph.add_node(room)
        for name in imported_modules(path):
            other = name.removeprefix(prefix).partition(".")[0]
            if name.startswith(prefix) and other != room and _is_room(folder, other):
                graph.add_edge(room, other)
    return graph


def _is_room(folder: Path, name: str) -> bool:
    return (folder / name / "__init__.py").exists() or (folder / f"{name}.py").exists()


def floors(graph: networkx.DiGraph) -> list[list[str]]:
    """The rooms floor by floor, the ground first."""
    condensed = networkx.condensation(graph)
    floor: dict[int, int] = {}
    for part in reversed(list(networkx.topological_sort(condensed))):
        floor[part] = max((floor[below] + 1 for below in condensed.successors(part)), default=0)
    return [
        sorted(room for part, members in condensed.nodes(data="members") if floor[part] == level for room in members)
        for level in range(max(floor.values()) + 1)
    ]


def mermaid(graph: networkx.DiGraph) -> str:
    """The rooms as a Mermaid diagram, without the arrows that a longer way implies."""
    lines = [f"    {room} --> {other}" for room, other in sorted(networkx.transitive_reduction(graph).edges)]
    return "\n".join(["graph TD", *lines])


def main() -> None:
    """Print the figures, and the rooms from the top floor down, or as a diagram."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("pipeline"))
    parser.add_argument("--mermaid", action="store_true", help="the diagram of docs/design.md")
    given = parser.parse_args()
    graph = arrows((ROOT / given.folder).resolve())
    if given.mermaid:
        print(mermaid(graph))
        return
    levels = floors(graph)
    circles = [part for part in networkx.strongly_connected_components(graph) if len(part) > 1]
    print(f"{len(graph)} rooms, {len(levels)} floors, {graph.number_of_edges()} arrows, {len(circles)} circles")
    for level, rooms in reversed(list(enumerate(levels, 1))):
        print(f"{level:3}  {', '.join(rooms)}")


if __name__ == "__main__":
    main()
