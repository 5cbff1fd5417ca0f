/* Sums by halving: x[i] + x[i + half] for all i below half, an odd last one kept, until one number is left. */

/* The sum of (count, ABREAST) numbers, in their memory; into its first row. */
static inline void T(halve)(int64_t count, REAL *x)
{
    while (count > 1) {
        const int64_t half = count / 2;
        for (int64_t i = 0; i < half; i++)
            for (int64_t j = 0; j < ABREAST; j++) x[i * ABREAST + j] += x[(i + half) * ABREAST + j];
        if (count % 2) memmove(x + half * ABREAST, x + 2 * half * ABREAST, ABREAST * sizeof(REAL));
        count = half + count % 2;
    }
}

/* Columns first .. first + width of (count, n) numbers at x[i * row + j * column], side by side; the rest is 0. */
static inline void T(side_by_side)(int64_t count, int64_t width, const REAL *x, int64_t row, int64_t column, REAL *copy)
{
    if (width < ABREAST) memset(copy, 0, (size_t)count * ABREAST * sizeof(REAL));
    if (column == 1)
        for (int64_t i = 0; i < count; i++) memcpy(copy + i * ABREAST, x + i * row, (size_t)width * sizeof(REAL));
    else
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < count; i++) copy[i * ABREAST + j] = x[i * row + j * column];
}

/* The inverse. */
static inline void T(put_back)(int64_t count, int64_t width, const REAL *copy, REAL *x, int64_t row, int64_t column)
{
    if (column == 1)
        for (int64_t i = 0; i < count; i++) memcpy(x + i * row, copy + i * ABREAST, (size_t)width * sizeof(REAL));
    else
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < count; i++) x[i * row + j * column] = copy[i * ABREAST + j];
}

/* sums (n,) = the sums of (count, n) numbers over their first index. Returns 0 if memory ran out. */
int T(halving_sums)(int64_t count, int64_t n, const REAL *x, int64_t row, int64_t column, REAL *sums)
{
    if (n == 1) { /* one long sum: halves lie side by side */
        REAL *halves = malloc((size_t)(count / 2 + 1) * sizeof(REAL));
        if (!halves) return 0;
        int64_t half = count / 2;
        for (int64_t i = 0; i < half; i++) halves[i] = x[i * row] + x[(i + half) * row];
        if (count % 2) halves[half] = x[2 * half * row];
        for (count = half + count % 2; count > 1; count = half + count % 2) {
            half = count / 2;
            for (int64_t i = 0; i < half; i++) halves[i] += halves[i + half];
            if (count % 2) halves[half] = halves[2 * half];
        }
        sums[0] = count ? halves[0] : 0;
        free(halves);
        return 1;
    }
    REAL *copy = malloc((size_t)(count + 1) * ABREAST * sizeof(REAL));
    if (!copy) return 0;
    for (int64_t j = 0; j < n; j += ABREAST) {
        const int64_t width = n - j < ABREAST ? n - j : ABREAST;
        copy[0] = 0;
        T(side_by_side)(count, width, x + j * column, row, column, copy);
        T(halve)(count, copy);
        for (int64_t i = 0; i < width; i++) sums[j + i] = count ? copy[i] : 0;
    }
    free(copy);
    return 1;
}
