"""Section `prepare` of params.yaml."""

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipeline.dataset.columns import DatePart
from pipeline.dataset.encoder import DType
from pipeline.errors import listed, quoted
from pipeline.params import Section
from pipeline.prepare import fit_encoder
from pipeline.table import type_rules

MISSING_VALUES = ("", "NA", "N/A", "NaN", "nan", "null")


class SplitParams(Section):
    """Which rows train, validate and test; a method reads the params that it names, so all of them can stand there."""

    method: Literal["none", "seed", "hash", "column"] = Field(
        default="none",
        description="none: all rows train | seed: drawn, stratified by class\n"
        "hash: by content, so that no row moves when others come or go\n"
        "column: a column says train, validation or test",
    )
    seed: int = Field(default=0, ge=0, description="of the draw or the hash; integer >= 0")
    validation: float = Field(default=0.2, ge=0, lt=1, description="share of the rows; 0 <= share < 1")
    test: float = Field(default=0.2, ge=0, lt=1, description="share of the rows; 0 <= share < 1")
    column: str | None = Field(
        default=None, description="name of the column that says train, validation or test; no feature"
    )
    key: str | None = Field(
        default=None,
        description="hash: name of a column whose equal values stay together (a customer, a day);\n"
        "null: the row's features and label",
    )

    @model_validator(mode="after")
    def _method_has_what_it_needs(self) -> "SplitParams":
        if self.method in ("seed", "hash") and self.validation + self.test >= 1:
            both = f"{self.validation:g} + {self.test:g}"
            raise ValueError(f"validation + test to be less than 1, so that rows are left to train on, got {both}")
        if self.method == "column" and self.column is None:
            raise ValueError("the name of a column in split.column, since split.method is column, got null")
        return self

    @property
    def reads_column(self) -> str | None:
        """The column of the table that decides, where one does."""
        return self.column if self.method == "column" else None

    @property
    def reads_key(self) -> str | None:
        """The column whose hash decides, where one does."""
        return self.key if self.method == "hash" else None

    @property
    def holds_out(self) -> bool:
        """Whether a row by itself tells that it does not train."""
        return self.method in ("hash", "column")

    @property
    def asked_for(self) -> dict[str, float]:
        """Shares above 0 of the splits held out of training, where the method goes by shares."""
        shares = {"validation": self.validation, "test": self.test} if self.method in ("seed", "hash") else {}
        return {name: share for name, share in shares.items() if share}

    @property
    def may_straddle(self) -> bool:
        """Whether equal rows may come to lie in different splits."""
        return self.method in ("seed", "column") or self.reads_key is not None


class PrepareParams(Section):
    """How a table becomes a dataset."""

    source: str = Field(
        description="CSV or Parquet with a header line, gzip and zstd too: a file, a folder of files of the same "
        "columns, or an address such as s3://bucket/folder"
    )
    files: str = Field(
        default="*", description='of a source that is a folder: which, such as "2024-*.csv"; read sorted by name'
    )
    separator: str = Field(default="auto", description="one character between cells, or auto")
    encoding: str = Field(default="utf-8", description="of the text: utf-8, windows-1252, ...; or auto")
    decimal: Literal["auto", ".", ","] = Field(
        default="auto",
        description='the decimal mark of numbers: "." | "," | auto, which all values of a column decide; the other may '
        "stand between thousands",
    )
    target: str = Field(description="column to predict: integers, text or booleans")
    features: Literal["all"] | list[str] = Field(
        default="all", description="all: the other columns; or a list of column names"
    )
    leave_out: list[str] = Field(default=[], description="where features is all: columns that are none")
    keep: list[str] = Field(
        default=[],
        description="columns that are no features, but whose values stay with the rows, as digests (a customer, a "
        "region); any type, text as it stands",
    )
    keep_values: list[str] = Field(
        default=[],
        description="columns that are kept with the values themselves, at most 1,000 different ones each, so that "
        "evaluate.slices can name them",
    )
    categories: list[str] = Field(default=[], description="number columns to read as categories (codes, years)")
    weights: str | None = Field(
        default=None, description="column of numbers >= 0: how many times a row counts; no feature"
    )
    types: dict[str, Annotated[str, AfterValidator(type_rules.require_type)]] | None = Field(
        default=None,
        description="of columns, where inferred wrongly: {day: date, zip: category}; also number, boolean, "
        '"date %d/%m/%Y" for dates of a format, in the directives of Python\'s strptime, and "number $1,234.5" or '
        '"number 1.234,5" for numbers written like this one',
    )
    date_parts: list[DatePart] = Field(
        default=["year", "month", "day", "weekday"], description="numbers that a date becomes; hour and minute too"
    )
    max_levels: int = Field(
        default=fit_encoder.MAX_LEVELS,
        ge=1,
        description="levels of a category; rarer ones share the level <other>; integer >= 1",
    )
    missing_values: list[str] = Field(default=[*MISSING_VALUES], description="texts that mean: no value")
    missing_target: Literal["error", "drop"] = Field(
        default="error", description="rows without a label: error | drop, which leaves them out and counts them"
    )
    dtype: DType = Field(
        default="float32",
        description="of prepared numbers: float32 | float64, which keeps every digit and takes twice the storage",
    )
    standardise: bool = Field(
        default=False, description="numbers to mean 0 and standard deviation 1 of the training rows"
    )
    split: SplitParams = Field(default=SplitParams(), description="which rows train, validate and test")

    @property
    def typed(self) -> dict[str, str]:
        """The types that override inferred ones; null in the file, which `dvc exp run -S` can set to a mapping."""
        return self.types or {}

    @property
    def text_columns(self) -> list[str]:
        """The columns declared to be categories."""
        return [*self.categories, *(name for name, column_type in self.typed.items() if column_type == "category")]

    @property
    def kept_columns(self) -> list[str]:
        """The columns of keep, then those that keep_values alone names."""
        return list(dict.fromkeys([*self.keep, *self.keep_values]))

    @field_validator("keep", "keep_values")
    @classmethod
    def _each_column_stands_once(cls, columns: list[str]) -> list[str]:
        if len({*columns}) < len(columns):
            raise ValueError(f"each column once, got [{listed(columns, len(columns))}]")
        return columns

    @field_validator("date_parts")
    @classmethod
    def _date_parts_differ(cls, parts: list[DatePart]) -> list[DatePart]:
        if not parts or len({*parts}) < len(parts):
            raise ValueError(f"one part of a date or more, each once, got [{', '.join(parts)}]")
        return parts

    @field_validator("separator")
    @classmethod
    def _separator_is_one_character(cls, separator: str) -> str:
        if separator != "auto" and (len(separator) != 1 or not separator.isascii() or separator in '"\r\n'):
            raise ValueError(f"auto or one ASCII character, no quote and no newline, got {quoted(separator)}")
        return separator

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            if encoding != "auto":
                # Python's codecs between bytes and bytes are no encodings of text: this refuses them.
                "".encode(encoding)
                return codecs.lookup(encoding).name
            return encoding
        except (LookupError, UnicodeError):
            raise ValueError(f"auto or an encoding of Python, such as windows-1252, got {quoted(encoding)}") from None
