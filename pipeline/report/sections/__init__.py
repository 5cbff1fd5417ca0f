"""One module a section: what the files of a run say, as blocks. A file that a run lacks is a sentence in its place."""
