"""The content of runs, written from the files of the stages."""
