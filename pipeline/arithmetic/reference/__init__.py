"""The definitions: each operation as element-wise steps of numpy, in the order that fixes its bits."""
