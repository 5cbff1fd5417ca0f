"""Charts as lists of shapes: a template writes them as SVG, with every text escaped.

Positions are in the user units of SVG (CSS pixels at full size), written to 0.01: the same bytes everywhere.
"""
