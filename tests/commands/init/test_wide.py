"""Tables of very many columns: `init` names those that are left out, not the thousands that are features."""

from pathlib import Path

import pytest

from pipeline import params
from pipeline.commands.init import command, section
from pipeline.errors import UserError
from pipeline.params import read_params
from pipeline.prepare import column_roles
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source


def _init(folder: Path, names: list[str], rows: list[list[str]]) -> dict[str, object]:
    lines = [",".join(cells) for cells in (names, *rows)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = folder / "p.yaml"
    command.main(address=str(folder / "t.csv"), target="y", out=out, template=Path("params.yaml"), force=True)
    return dict(read_params(out)["prepare"])


def _features(folder: Path) -> list[str]:
    chosen = params.load(folder / "p.yaml", "prepare", PrepareParams)
    return column_roles.roles_of(chosen, find_source.find(chosen.source)).features


@pytest.mark.parametrize("extra", [{}, {"": "r{}", "id: of": "{}", "flat": "7"}])
def test_many_features_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: dict[str, str]) -> None:
    """`features: all` and the columns left out, the one without a name too, give the columns that a list names."""
    genes = [f"g{number}" for number in range(6)]
    cells = [
        [*(text.format(row) for text in extra.values()), *(str(row * n % 7) for n in range(1, 7))] for row in range(40)
    ]
    rows = [[*values, "ab"[row % 2]] for row, values in enumerate(cells)]
    listed = _init(tmp_path, [*extra, *genes, "y"], rows)
    assert (listed["features"], listed["leave_out"]) == (genes, [])
    assert _features(tmp_path) == genes
    monkeypatch.setattr(section, "_MANY_FEATURES", 5)
    short = _init(tmp_path, [*extra, *genes, "y"], rows)
    assert (short["features"], short["leave_out"]) == ("all", [*extra])
    assert (list(listed)[6:9], listed["keep"]) == (["features", "leave_out", "keep"], [])
    assert _features(tmp_path) == genes


def test_a_list_of_features_leaves_nothing_to_leave_out(tmp_path: Path) -> None:
    """leave_out beside a list, or of no column of the table, is one sentence."""
    source = tmp_path / "t.csv"
    source.write_text("a,b,y\n1,2,u\n")
    for features, message in (("[a]", "expected .* where prepare.features lists"), ("all", "did you mean 'b'")):
        name = "b" if features == "[a]" else "bb"
        written = f"prepare: {{source: {source}, target: y, features: {features}, leave_out: [{name}]}}\n"
        (tmp_path / "p.yaml").write_text(written, encoding="utf-8")
        with pytest.raises(UserError, match=f"prepare.leave_out: .*{message}"):
            _features(tmp_path)
