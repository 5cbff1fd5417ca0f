/* Rows that codes choose: looked up and added, or added up where they belong, code by code in the order of the rows. */

/* out (n, k) += the rows of levels (., k) that codes (n, c) name. */
void T(add_levels)(int64_t n, int64_t c, int64_t k, const int32_t *codes, const REAL *levels, REAL *out)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t q = 0; q < c; q++) {
            const REAL *level = levels + codes[i * c + q] * k;
            for (int64_t j = 0; j < k; j++) out[i * k + j] += level[j];
        }
}

/* totals (., k) float64 += values (n, k), each row at all of its codes. */
void T(add_to_levels)(int64_t n, int64_t c, int64_t k, const int32_t *codes, const REAL *values, double *totals)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t q = 0; q < c; q++) {
            double *total = totals + codes[i * c + q] * k;
            for (int64_t j = 0; j < k; j++) total[j] += (double)values[i * k + j];
        }
}

/* out (n, k) += S B, S (n, .) in compressed rows, B (., k); along each row of S in the order of its numbers. */
void T(add_sparse_product)(int64_t n, int64_t k, const int32_t *starts, const int32_t *members, const REAL *numbers,
                                  const REAL *b, REAL *out)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t place = starts[i]; place < starts[i + 1]; place++) {
            const REAL factor = numbers[place], *row = b + members[place] * k;
            for (int64_t j = 0; j < k; j++) out[i * k + j] += factor * row[j];
        }
}
