"""The role of each column of a table, checked against the header before anything is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.dataset.columns import DATE_PARTS, is_date, part_name
from pipeline.errors import UserError, listed, quoted
from pipeline.prepare.params import PrepareParams
from pipeline.table import header, read_errors
from pipeline.table.sources import TableSource


@dataclass(frozen=True)
class Roles:
    """The role of each column of the source; ``features`` and ``ignored`` in the source's order, ``kept`` in params'.

    A kept column may also be the one that splits, the key or the weights.
    """

    features: list[str]
    target: str
    split: str | None
    key: str | None
    weights: str | None
    kept: list[str]
    ignored: list[str]

    def by_column(self) -> dict[str, str]:
        """Per column that is read, in the order it is read: its role."""
        others = {self.split: "split", self.key: "key", self.weights: "weights"}
        others |= {name: "kept" for name in self.kept if name not in others}
        roles = dict.fromkeys(self.features, "feature") | {self.target: "target"}
        return roles | {name: role for name, role in others.items() if name is not None and name not in roles}

    @property
    def texts(self) -> list[str]:
        """The columns that are read as text whatever they hold."""
        return [name for name, role in self.by_column().items() if role in ("target", "split", "key", "kept")]

    @property
    def uncounted(self) -> list[str]:
        """The columns whose levels are not counted, since there may be as many as rows."""
        return [name for name, role in self.by_column().items() if role in ("key", "kept")]


def assign(params: PrepareParams, source: TableSource, names: Sequence[str]) -> Roles:
    """The roles of the columns ``names`` of the source.

    Raises: UserError that names the param and suggests the closest column.
    """
    target, weights, split = params.target, params.weights, params.split.reads_column
    key = params.split.reads_key
    for param, column in {"target": target, "split.column": split, "split.key": key, "weights": weights}.items():
        require(source, names, param, [] if column is None else [column])
    others = {target, split, weights}
    if target == split:
        raise UserError(f"params.yaml: prepare.split.column: {quoted(target)} is the target; name another column")
    if weights is not None and weights in (target, split, key):
        raise UserError(f"params.yaml: prepare.weights: {quoted(weights)} has another role; name another column")
    kept = {name: "keep" if name in params.keep else "keep_values" for name in params.kept_columns}
    for name, param in kept.items():
        require(source, names, param, [name])
    if target in kept:
        raise UserError(f"params.yaml: prepare.{kept[target]}: {quoted(target)} is the target; leave it out")
    require(source, names, "leave_out", params.leave_out)
    if isinstance(params.features, str):
        left_out = others.union([key], params.leave_out, kept)
        features = {name for name in names if name not in left_out}
    elif params.leave_out:
        raise UserError(
            "params.yaml: prepare.leave_out: expected [] where prepare.features lists the columns, got "
            f"{listed(params.leave_out)}; take them from the list, or set features: all"
        )
    else:
        require(source, names, "features", params.features)
        features = set(params.features)
    for name in names:
        if name in features and name in others:
            role = "the column of weights" if name == weights else "the target or the split column"
            raise UserError(f"params.yaml: prepare.features: {quoted(name)} is {role}; leave it out")
    for name, param in kept.items():
        if name in features:
            raise UserError(
                f"params.yaml: prepare.{param}: {quoted(name)} is in prepare.features too, and what is kept is no "
                "feature; take it out of one of them"
            )
    _require_features(source, names, features)
    taken = features.union(others, [key], kept)
    return Roles(
        features=[name for name in names if name in features],
        target=target,
        split=split,
        key=key,
        weights=weights,
        kept=list(kept),
        ignored=[name for name in names if name not in taken],
    )


def _require_features(source: TableSource, names: Sequence[str], features: set[str]) -> None:
    """Check that there are features, each with a name."""
    if not features:
        raise UserError(f"{source}: no columns to predict from; prepare.features leaves none beside the target")
    if "" in features:
        nameless = [position for position, name in enumerate(names, 1) if not name]
        which = f"column {nameless[0]} has" if len(nameless) == 1 else f"columns {listed(nameless)} have"
        raise UserError(
            f"{source}: {which} no name in the header; "
            'add one, list the columns to use in prepare.features, or set prepare.leave_out: [""]'
        )


def require(source: TableSource, names: Sequence[str], param: str, columns: Sequence[str]) -> None:
    """Check that the source has the columns that a param of prepare names."""
    there = frozenset(names)
    for name in columns:
        if not name and param != "leave_out" and names.count("") > 1:
            raise UserError(
                f"params.yaml: prepare.{param}: several columns of {source} have no name; name the one meant"
            )
        if name not in there:
            hint = read_errors.no_column(source, name, names)
            raise UserError(f"params.yaml: prepare.{param}: expected a column of {source}, got {quoted(name)}{hint}")


def require_free_parts(source: TableSource, names: Sequence[str], dates: Sequence[str]) -> None:
    """Check that no column among ``names`` is called what a part of a date column will be."""
    there = frozenset(names)
    for date in dates:
        for part in DATE_PARTS:
            if (taken := part_name(date, part)) in there:
                raise UserError(
                    f"{source}: the date {quoted(date)} has a part {quoted(taken)}, as a column is called; rename one"
                )


def roles_of(params: PrepareParams, source: TableSource) -> Roles:
    """Check every column that the params name against the file's header.

    Raises: UserError that names the param and suggests the closest column.
    """
    names = header.column_names(source)
    require(source, names, "categories", params.categories)
    require(source, names, "types", list(params.typed))
    if params.typed.get(params.target, "category") != "category":
        raise UserError(
            f"params.yaml: prepare.types: {quoted(params.target)} is the target; only category can be its type"
        )
    assigned = assign(params, source, names)
    read = assigned.by_column()
    dated = [name for name, column_type in params.typed.items() if is_date(column_type) and read.get(name) == "feature"]
    require_free_parts(source, list(read), dated)
    return assigned
