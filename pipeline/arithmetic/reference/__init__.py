"""The definitions: each operation as element-wise steps of numpy, in the order that fixes its bits.

None warns of what overflows or is no number, as the compiled functions do not: whoever asks looks at the result.
"""
