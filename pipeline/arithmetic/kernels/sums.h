/* Sums by halving: the second half is added to the first, an odd last one kept, until one is left. */

/* The sums of the columns of x (count, width), in its memory; into its first row. */
static inline void T(halve)(int64_t count, int64_t width, REAL *x)
{
    while (count > 1) {
        const int64_t half = count / 2 * width;
        for (int64_t i = 0; i < half; i++) x[i] += x[half + i];
        if (count % 2) memmove(x + half, x + 2 * half, (size_t)width * sizeof(REAL));
        count = count / 2 + count % 2;
    }
}

/* Rows of (count, n) numbers at x[i * row + j * column], of the first width columns, side by side as (count, padded);
 * zeros beyond. */
static inline void T(side_by_side)(int64_t count, int64_t width, int64_t padded, const REAL *x, int64_t row,
                                   int64_t column, REAL *copy)
{
    if (width < padded) memset(copy, 0, (size_t)(count * padded) * sizeof(REAL));
    if (column == 1)
        for (int64_t i = 0; i < count; i++) memcpy(copy + i * padded, x + i * row, (size_t)width * sizeof(REAL));
    else
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < count; i++) copy[i * padded + j] = x[i * row + j * column];
}

/* sums (n,) = the sums of (count, n) numbers over their first index. Returns 0 if memory ran out. */
int T(halving_sums)(int64_t count, int64_t n, const REAL *x, int64_t row, int64_t column, REAL *sums)
{
    if (!count) {
        memset(sums, 0, (size_t)n * sizeof(REAL));
        return 1;
    }
    int64_t width = CACHED / count; /* columns at once */
    width = width < 1 ? 1 : width > n ? n : width;
    REAL *copy = malloc((size_t)(count * width + 1) * sizeof(REAL));
    if (!copy) return 0;
    for (int64_t j = 0; j < n; j += width) {
        if (width > n - j) width = n - j;
        T(side_by_side)(count, width, width, x + j * column, row, column, copy);
        T(halve)(count, width, copy);
        memcpy(sums + j, copy, (size_t)width * sizeof(REAL));
    }
    free(copy);
    return 1;
}
