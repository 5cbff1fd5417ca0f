"""Why a table of coefficients cannot be had of these rows: no mistake of the person's, so the stage goes on."""


class RefusalError(Exception):
    """A sentence that stands in the place of the table."""
