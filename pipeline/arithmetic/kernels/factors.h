/* Cholesky factors and triangular solves of float64 matrices, row-major: each entry is a chain of products that are
 * subtracted one by one, in the order of the textbook (Golub and Van Loan 2013, section 4.2), whatever the blocks. */

#define PANEL 64

/* X (n, m) = L^-1 X of a lower triangular L (n, n). */
void T(solve_lower)(int64_t n, int64_t m, const double *l, int64_t l_row, double *x, int64_t x_row)
{
    for (int64_t first = 0; first < n; first += PANEL) {
        const int64_t last = first + PANEL < n ? first + PANEL : n;
        if (first)
            T(add_product)(-1, last - first, m, first, l + first * l_row, l_row, 1, x, x_row, 1, x + first * x_row,
                           x_row);
        for (int64_t i = first; i < last; i++) {
            for (int64_t p = first; p < i; p++) {
                const double factor = l[i * l_row + p];
                for (int64_t j = 0; j < m; j++) x[i * x_row + j] -= factor * x[p * x_row + j];
            }
            const double pivot = l[i * l_row + i];
            for (int64_t j = 0; j < m; j++) x[i * x_row + j] /= pivot;
        }
    }
}

/* X (n, m) = L'^-1 X, from the last row up. */
void T(solve_lower_transposed)(int64_t n, int64_t m, const double *l, int64_t l_row, double *x, int64_t x_row)
{
    for (int64_t end = n; end > 0; end -= end % PANEL ? end % PANEL : PANEL) {
        const int64_t first = end % PANEL ? end - end % PANEL : end - PANEL;
        if (end < n)
            T(add_product)(-1, end - first, m, n - end, l + (n - 1) * l_row + first, 1, -l_row, x + (n - 1) * x_row,
                           -x_row, 1, x + first * x_row, x_row);
        for (int64_t i = end - 1; i >= first; i--) {
            for (int64_t p = end - 1; p > i; p--) {
                const double factor = l[p * l_row + i];
                for (int64_t j = 0; j < m; j++) x[i * x_row + j] -= factor * x[p * x_row + j];
            }
            const double pivot = l[i * l_row + i];
            for (int64_t j = 0; j < m; j++) x[i * x_row + j] /= pivot;
        }
    }
}

/* A (n, n), of which only the lower half is read, becomes its factor L, with zeros above.
 *
 * Returns 0, or i + 1 where pivot i is not above 0 (or is NaN), and what A holds is of no use; -1 if memory ran out. */
int64_t T(cholesky)(int64_t n, double *a, int64_t row)
{
    double *panel = malloc((size_t)PANEL * (n + 1) * sizeof(double));
    if (!panel) return -1;
    for (int64_t first = 0; first < n; first += PANEL) {
        const int64_t last = first + PANEL < n ? first + PANEL : n, width = last - first, below = n - first;
        for (int64_t p = 0; p < width; p++) /* the panel's columns as rows */
            for (int64_t i = p; i < below; i++) panel[p * below + i] = a[(first + i) * row + first + p];
        for (int64_t p = 0; p < width; p++) {
            double *column = panel + p * below;
            for (int64_t q = 0; q < p; q++) {
                const double *earlier = panel + q * below, factor = earlier[p];
                for (int64_t i = p; i < below; i++) column[i] -= factor * earlier[i];
            }
            if (!(column[p] > 0)) {
                free(panel);
                return first + p + 1;
            }
            const double pivot = sqrt(column[p]);
            column[p] = pivot;
            for (int64_t i = p + 1; i < below; i++) column[i] /= pivot;
        }
        for (int64_t p = 0; p < width; p++)
            for (int64_t i = p; i < below; i++) a[(first + i) * row + first + p] = panel[p * below + i];
        for (int64_t j = last; j < n; j += PANEL) { /* what is left, by columns, from the diagonal down */
            const int64_t columns = n - j < PANEL ? n - j : PANEL;
            T(add_product)(-1, n - j, columns, width, panel + (j - first), 1, below, panel + (j - first), below, 1,
                           a + j * row + j, row);
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) a[i * row + j] = 0;
    free(panel);
    return 0;
}

/* The factors of count matrices (n, n) in a row; failed (count,) is what cholesky returns. */
void T(choleskys)(int64_t count, int64_t n, double *a, int64_t *failed)
{
    for (int64_t i = 0; i < count; i++) failed[i] = T(cholesky)(n, a + i * n * n, n);
}

/* solve_lower or its transpose for count matrices (n, n) and right sides (n, m), in a row. */
void T(solve_lowers)(int64_t count, int64_t n, int64_t m, const double *l, double *x, int transposed)
{
    for (int64_t i = 0; i < count; i++)
        if (transposed) T(solve_lower_transposed)(n, m, l + i * n * n, n, x + i * n * m, m);
        else T(solve_lower)(n, m, l + i * n * n, n, x + i * n * m, m);
}

#undef PANEL
