"""Stage 6, all results become one page that can be mailed: `reports/report.html`.

``documents`` reads files by name and checks them; ``sections/`` says what they mean, as ``blocks``; ``page`` writes the
blocks as HTML. The command `python -m pipeline report REV -o FILE` is another reader of files for the same page.
"""
