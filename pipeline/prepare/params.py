"""Section `prepare` of params.yaml."""

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipeline.dataset.columns import DatePart
from pipeline.errors import quoted
from pipeline.params import Section
from pipeline.prepare import fit_encoder
from pipeline.table import type_inference

MISSING_VALUES = ("", "NA", "N/A", "NaN", "nan", "null")


class SplitParams(Section):
    """Which rows train, validate and test; a method reads the params that it names, so all of them can stand there."""

    method: Literal["none", "seed", "hash", "column"] = Field(
        default="none",
        description="none: all rows train; seed: by lot, class by class; hash: by content; column: as a column says",
    )
    seed: int = Field(default=0, ge=0, description="which lot; another seed is another split")
    validation: float = Field(default=0.2, ge=0, lt=1, description="share of each class's rows")
    test: float = Field(default=0.2, ge=0, lt=1, description="share of each class's rows")
    column: str | None = Field(default=None, description="column of the words train, validation and test; no feature")

    key: str | None = Field(default=None, description="column whose equal values stay together; null: the whole row")

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
    """Section `prepare` of params.yaml."""

    source: str = Field(description="file, folder or address of CSV or Parquet with a header")
    files: str = Field(default="*", description="of a source that is a folder: which files, such as 2024-*.csv")
    separator: str = Field(default="auto", description="one character between cells, or auto")
    decimal: Literal["auto", ".", ","] = Field(
        default="auto", description="the decimal mark of numbers; the other mark may stand between thousands"
    )
    encoding: str = Field(default="utf-8", description="of the text: a name that Python knows, or auto")
    target: str = Field(description="column to predict: integers, text or booleans")
    features: Literal["all"] | list[str] = Field(default="all", description="columns to predict from")
    leave_out: list[str] = Field(default=[], description="where features is all: columns that are none")
    categories: list[str] = Field(default=[], description="number columns to read as categories, by their text")
    weights: str | None = Field(default=None, description="column that says how many times each row counts; no feature")
    types: dict[str, Annotated[str, AfterValidator(type_inference.require_type)]] | None = Field(
        default=None,
        description="per column, where inferred wrongly: number, category, boolean, date, or 'date %d/%m/%Y'",
    )
    date_parts: list[DatePart] = Field(
        default=["year", "month", "day", "weekday"], description="numbers that columns of type date become"
    )
    max_levels: int = Field(
        default=fit_encoder.MAX_LEVELS, ge=1, description="levels of a category; rarer ones are one"
    )
    missing_values: list[str] = Field(default=[*MISSING_VALUES], description="texts that mean: no value")
    missing_target: Literal["error", "drop"] = Field(
        default="error", description="rows without a label: stop at them, or leave them out, and count them"
    )
    standardise: bool = Field(default=False, description="numbers to mean 0, standard deviation 1 of training rows")
    split: SplitParams = Field(default=SplitParams(), description="which rows train, validate and test")

    @property
    def typed(self) -> dict[str, str]:
        """The types that override inferred ones; null in the file, which `dvc exp run -S` can set to a mapping."""
        return self.types or {}

    @property
    def text_columns(self) -> list[str]:
        """The columns declared to be categories."""
        return [*self.categories, *(name for name, kind in self.typed.items() if kind == "category")]

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
