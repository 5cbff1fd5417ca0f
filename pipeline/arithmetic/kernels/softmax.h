/* Softmax and cross-entropy of rows of logits, ABREAST rows side by side. Logits lie at z[i * row + c * column]. */

/* In the place of e (k, ABREAST): exp of each number less the largest of its column; the largest in largest. */
static inline void T(exponentials)(int64_t k, REAL *e, REAL *largest)
{
    for (int64_t j = 0; j < ABREAST; j++) largest[j] = e[j];
    for (int64_t c = 1; c < k; c++)
        for (int64_t j = 0; j < ABREAST; j++) {
            const REAL other = e[c * ABREAST + j];
            largest[j] = other > largest[j] ? other : largest[j];
        }
    for (int64_t c = 0; c < k; c++)
        for (int64_t j = 0; j < ABREAST; j++) e[c * ABREAST + j] = T(exp)(e[c * ABREAST + j] - largest[j]);
}

/* x = the first width columns of copy (count, ABREAST), each number in its place. */
static inline void T(put_back)(int64_t count, int64_t width, const REAL *copy, REAL *x, int64_t row, int64_t column)
{
    if (column == 1)
        for (int64_t i = 0; i < count; i++) memcpy(x + i * row, copy + i * ABREAST, (size_t)width * sizeof(REAL));
    else
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < count; i++) x[i * row + j * column] = copy[i * ABREAST + j];
}

/* z becomes the probabilities, e / sum of e. Returns 0 if memory ran out. */
int T(softmax)(int64_t n, int64_t k, REAL *z, int64_t row, int64_t column)
{
    REAL *e = malloc((size_t)2 * k * ABREAST * sizeof(REAL)), *sum = e + k * ABREAST, largest[ABREAST];
    if (!e) return 0;
    for (int64_t i = 0; i < n; i += ABREAST) {
        const int64_t rows = n - i < ABREAST ? n - i : ABREAST;
        T(side_by_side)(k, rows, ABREAST, z + i * row, column, row, e);
        T(exponentials)(k, e, largest);
        memcpy(sum, e, (size_t)k * ABREAST * sizeof(REAL));
        T(halve)(k, ABREAST, sum);
        for (int64_t c = 0; c < k; c++)
            for (int64_t j = 0; j < ABREAST; j++) e[c * ABREAST + j] /= sum[j];
        T(put_back)(k, rows, e, z + i * row, column, row);
    }
    free(e);
    return 1;
}

/* z becomes p - y, losses (n,) the cross-entropy in nats, of labels (n,) below k. Returns 0 if memory ran out.
 *
 * From the other classes' exponentials, since 1 - p would lose the digits of a small loss: with s their sum and e_y the
 * label's, t = s + (e_y - 1) is what all together are above 1, the largest. loss = log1p(t) - (z_y - max), and
 * p_y - 1 = -s / (1 + t). */
int T(losses_and_residuals)(int64_t n, int64_t k, REAL *z, int64_t row, int64_t column, const int64_t *labels, REAL *losses)
{
    REAL *e = malloc((size_t)2 * k * ABREAST * sizeof(REAL)), *others = e + k * ABREAST;
    REAL largest[ABREAST], of_label[ABREAST], own[ABREAST], total[ABREAST];
    if (!e) return 0;
    for (int64_t i = 0; i < n; i += ABREAST) {
        const int64_t rows = n - i < ABREAST ? n - i : ABREAST;
        T(side_by_side)(k, rows, ABREAST, z + i * row, column, row, e);
        for (int64_t j = 0; j < ABREAST; j++) of_label[j] = j < rows ? e[labels[i + j] * ABREAST + j] : 0;
        T(exponentials)(k, e, largest);
        for (int64_t j = 0; j < ABREAST; j++) {
            of_label[j] -= largest[j];
            own[j] = 1;
        }
        for (int64_t j = 0; j < rows; j++) {
            own[j] = e[labels[i + j] * ABREAST + j];
            e[labels[i + j] * ABREAST + j] = 0;
        }
        memcpy(others, e, (size_t)k * ABREAST * sizeof(REAL));
        T(halve)(k, ABREAST, others);
        for (int64_t j = 0; j < ABREAST; j++) {
            const REAL above_one = others[j] + (own[j] - 1);
            total[j] = above_one + 1;
            of_label[j] = T(log1p)(above_one) - of_label[j];
        }
        for (int64_t c = 0; c < k; c++)
            for (int64_t j = 0; j < ABREAST; j++) e[c * ABREAST + j] /= total[j];
        for (int64_t j = 0; j < rows; j++) {
            e[labels[i + j] * ABREAST + j] = -(others[j] / total[j]);
            losses[i + j] = of_label[j];
        }
        T(put_back)(k, rows, e, z + i * row, column, row);
    }
    free(e);
    return 1;
}

/* Of one logit, the second class's less the first's: losses and p - y of the second class, in the place of z (n,).
 *
 * With z turned so that the label asks for less of it: log(1 + e^z) = log1p(e^-|z|) + max(z, 0). */
void T(logistic_losses_and_residuals)(int64_t n, REAL *z, const int64_t *labels, REAL *losses)
{
    for (int64_t i = 0; i < n; i++) {
        const REAL sign = (REAL)(1 - 2 * labels[i]), turned = sign * z[i];
        losses[i] = T(log1p)(T(exp)(turned < 0 ? turned : -turned)) + (turned > 0 ? turned : 0);
        z[i] = sign * T(sigmoid)(turned);
    }
}
