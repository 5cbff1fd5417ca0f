"""How a word of the command line is called and explained: in the project's root, with an example, in sections."""

from typing import Any

import click

from pipeline.commands.place import Place
from pipeline.errors import UserError

_NOT_CUT = 1_000  # characters of a first sentence


class Word(click.Command):
    """A command that runs in the root of the project that the person stands in, whichever folder below it that is."""

    def __init__(self, *args: Any, section: str, example: str, at_root: bool = True, **kwargs: Any) -> None:
        """``section`` is the heading of the list that it stands under, ``example`` what may follow the word.

        Without ``at_root`` it runs where the person stands.
        """
        super().__init__(*args, **kwargs)
        self.section = section
        self._example = example
        self._at_root = at_root

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Go to the root before names of files are read; a shell that completes a word stays where it is."""
        if self._at_root and not ctx.resilient_parsing:
            ctx.obj = Place.entering_root()
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it. Raises: UserError that names a file as it was typed."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            message = ctx.obj.as_typed(str(error)) if isinstance(ctx.obj, Place) else str(error)
            raise UserError(message) from None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        with formatter.section("Example"):
            formatter.write_text(f"{ctx.command_path} {self._example}".rstrip())


class Words(click.Group):
    """The words in sections, each with its whole first sentence."""

    command_class = Word

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line or more a word, at the width of the help; sections stand in the order of their first words."""
        width = max(map(len, self.commands))
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, word in self.commands.items():
            row = (name.ljust(width), word.get_short_help_str(limit=_NOT_CUT))
            sections.setdefault(getattr(word, "section", "Other"), []).append(row)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
