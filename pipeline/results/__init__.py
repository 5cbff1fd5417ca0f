"""Outputs of stages read back, checked; whoever reads them may hold files of an older commit, edited or forged.

Each function takes a file's content and the name by which errors call it; k is the number of classes, d the number of
features, s the number of snapshots.
"""
