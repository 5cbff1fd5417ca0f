"""Operations that round more than once, each one fixed sequence of IEEE 754 operations: the same bits everywhere."""
