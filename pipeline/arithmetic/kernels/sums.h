/* Sums by halving: the second half is added to the first, an odd last one kept, until one is left. */

/* The sums of the columns of x (count, width), count above 0; into the first row of sums, of count / 2 + 1 rows.
 * x itself may be where they are computed. */
static inline void T(halve)(int64_t count, int64_t width, const REAL *x, REAL *sums)
{
    do {
        const int64_t half = count / 2 * width;
        for (int64_t i = 0; i < half; i++) sums[i] = x[i] + x[half + i];
        if (count % 2) memmove(sums + half, x + 2 * half, (size_t)width * sizeof(REAL));
        count = count / 2 + count % 2;
        x = sums;
    } while (count > 1);
}

/* Numbers (count, n) at x[i * row + j * column], of the first width columns, side by side as (count, padded); zeros
 * beyond. */
static inline __attribute__((always_inline)) void T(side_by_side)(
    int64_t count, int64_t width, const int64_t padded, const REAL *x, int64_t row, int64_t column, REAL *copy)
{
    if (width == padded && column == 1) { /* of a length that the compiler knows, where padded is one */
        for (int64_t i = 0; i < count; i++) memcpy(copy + i * padded, x + i * row, (size_t)padded * sizeof(REAL));
        return;
    }
    if (width < padded) memset(copy, 0, (size_t)(count * padded) * sizeof(REAL));
    if (column == 1)
        for (int64_t i = 0; i < count; i++) memcpy(copy + i * padded, x + i * row, (size_t)width * sizeof(REAL));
    else if (row == 1) T(transpose)(width, count, x, column, copy, padded);
    else
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < count; i++) copy[i * padded + j] = x[i * row + j * column];
}

/* sums (n,) float64 or in REAL = the sums of (count, n) numbers over their first index, of stretches of it, which are
 * added one by one; a stretch may be all of it. Returns 0 if memory ran out. */
static inline int T(sums_of_stretches)(int64_t stretch, int64_t count, int64_t n, const REAL *x, int64_t row,
                                       int64_t column, REAL *sums, double *totals)
{
    if (sums) memset(sums, 0, (size_t)n * sizeof(REAL));
    if (totals) memset(totals, 0, (size_t)n * sizeof(double));
    if (stretch > count) stretch = count;
    if (!stretch) return 1;
    int64_t width = row == 1 ? 1 : CACHED / stretch; /* columns at once */
    width = width < 1 ? 1 : width > n ? n : width;
    REAL *copy = malloc((size_t)((stretch + 1) * width) * sizeof(REAL));
    if (!copy) return 0;
    for (int64_t j = 0; j < n; j += width) {
        if (width > n - j) width = n - j;
        for (int64_t p = 0; p < count; p += stretch) {
            const int64_t part = count - p < stretch ? count - p : stretch;
            const REAL *numbers = x + p * row + j * column;
            if (width != row || (width > 1 && column != 1)) {
                T(side_by_side)(part, width, width, numbers, row, column, copy);
                numbers = copy;
            }
            T(halve)(part, width, numbers, copy);
            if (sums) memcpy(sums + j, copy, (size_t)width * sizeof(REAL));
            else for (int64_t i = 0; i < width; i++) totals[j + i] += (double)copy[i];
        }
    }
    free(copy);
    return 1;
}

int T(halving_sums)(int64_t count, int64_t n, const REAL *x, int64_t row, int64_t column, REAL *sums)
{
    return T(sums_of_stretches)(count, count, n, x, row, column, sums, NULL);
}

int T(long_sums)(int64_t count, int64_t n, const REAL *x, int64_t row, int64_t column, double *totals)
{
    return T(sums_of_stretches)(STRETCH, count, n, x, row, column, NULL, totals);
}
