"""The one exception that stands for a mistake of the person who uses the tool."""


class UserError(Exception):
    """A mistake in an input, told in one message.

    The message names the place as the user typed it, what was expected, what came and what to do.
    ``python -m pipeline`` prints it and exits with status 1; every other exception is a bug and keeps its traceback.
    """
