/* Softmax and cross-entropy of rows of logits, a few rows side by side. Logits lie at z[i * row + c * column]. */

/* So many that exponentials of all classes stay in a cache; more where rows lie side by side already. */
#define FEW 16
#define MANY 64
#define ABREAST_OF(k, row) ((k) > 256 && (row) != 1 ? FEW : MANY)

/* In the place of e (k, abreast): exp of each number less the largest of its column; the largest in largest. */
static inline __attribute__((always_inline)) void T(exponentials)(const int64_t abreast, int64_t k, REAL *e,
                                                                  REAL *largest)
{
    for (int64_t j = 0; j < abreast; j++) largest[j] = e[j];
    for (int64_t c = 1; c < k; c++)
        for (int64_t j = 0; j < abreast; j++) {
            const REAL other = e[c * abreast + j];
            largest[j] = other > largest[j] ? other : largest[j];
        }
    for (int64_t c = 0; c < k; c++)
        for (int64_t j = 0; j < abreast; j++) e[c * abreast + j] -= largest[j];
    for (int64_t i = 0; i < k * abreast; i++) e[i] = T(exp)(e[i]);
}

/* x = the first width columns of copy (count, abreast), each number in its place. */
static inline __attribute__((always_inline)) void T(put_back)(
    const int64_t abreast, int64_t count, int64_t width, const REAL *copy, REAL *x, int64_t row, int64_t column)
{
    if (width == abreast && column == 1)
        for (int64_t i = 0; i < count; i++) memcpy(x + i * row, copy + i * abreast, (size_t)abreast * sizeof(REAL));
    else if (column == 1)
        for (int64_t i = 0; i < count; i++) memcpy(x + i * row, copy + i * abreast, (size_t)width * sizeof(REAL));
    else if (row == 1) T(transpose)(count, width, copy, abreast, x, column);
    else
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < count; i++) x[i * row + j * column] = copy[i * abreast + j];
}

static inline __attribute__((always_inline)) int T(softmax_of)(const int64_t abreast, int64_t n, int64_t k, REAL *z,
                                                               int64_t row, int64_t column)
{
    REAL *e = malloc((size_t)(2 * k + 1) * abreast * sizeof(REAL));
    if (!e) return 0;
    REAL *sum = e + k * abreast, largest[MANY];
    for (int64_t i = 0; i < n; i += abreast) {
        const int64_t rows = n - i < abreast ? n - i : abreast;
        T(side_by_side)(k, rows, abreast, z + i * row, column, row, e);
        T(exponentials)(abreast, k, e, largest);
        T(halve)(k, abreast, e, sum);
        for (int64_t c = 0; c < k; c++)
            for (int64_t j = 0; j < abreast; j++) e[c * abreast + j] /= sum[j];
        T(put_back)(abreast, k, rows, e, z + i * row, column, row);
    }
    free(e);
    return 1;
}

/* z becomes the probabilities, e / sum of e. Returns 0 if memory ran out. */
int T(softmax)(int64_t n, int64_t k, REAL *z, int64_t row, int64_t column)
{
    return ABREAST_OF(k, row) == FEW ? T(softmax_of)(FEW, n, k, z, row, column)
                                     : T(softmax_of)(MANY, n, k, z, row, column);
}

static inline __attribute__((always_inline)) int T(losses_and_residuals_of)(
    const int64_t abreast, int64_t n, int64_t k, REAL *z, int64_t row, int64_t column, const int64_t *labels,
    REAL *losses)
{
    REAL *e = malloc((size_t)(2 * k + 1) * abreast * sizeof(REAL));
    if (!e) return 0;
    REAL *others = e + k * abreast, largest[MANY], of_label[MANY], own[MANY], total[MANY];
    for (int64_t i = 0; i < n; i += abreast) {
        const int64_t rows = n - i < abreast ? n - i : abreast;
        T(side_by_side)(k, rows, abreast, z + i * row, column, row, e);
        for (int64_t j = 0; j < abreast; j++) of_label[j] = j < rows ? e[labels[i + j] * abreast + j] : 0;
        T(exponentials)(abreast, k, e, largest);
        for (int64_t j = 0; j < abreast; j++) {
            of_label[j] -= largest[j];
            own[j] = 1;
        }
        for (int64_t j = 0; j < rows; j++) {
            own[j] = e[labels[i + j] * abreast + j];
            e[labels[i + j] * abreast + j] = 0;
        }
        T(halve)(k, abreast, e, others);
        for (int64_t j = 0; j < abreast; j++) {
            const REAL above_one = others[j] + (own[j] - 1);
            total[j] = above_one + 1;
            of_label[j] = T(log1p)(above_one) - of_label[j];
        }
        for (int64_t c = 0; c < k; c++)
            for (int64_t j = 0; j < abreast; j++) e[c * abreast + j] /= total[j];
        for (int64_t j = 0; j < rows; j++) {
            e[labels[i + j] * abreast + j] = -(others[j] / total[j]);
            losses[i + j] = of_label[j];
        }
        T(put_back)(abreast, k, rows, e, z + i * row, column, row);
    }
    free(e);
    return 1;
}

/* z becomes p - y, losses (n,) the cross-entropy in nats, of labels (n,) below k. Returns 0 if memory ran out.
 *
 * From the other classes' exponentials, since 1 - p would lose the digits of a small loss: with s their sum and e_y the
 * label's, t = s + (e_y - 1) is what all together are above 1, the largest. loss = log1p(t) - (z_y - max), and
 * p_y - 1 = -s / (1 + t). */
int T(losses_and_residuals)(int64_t n, int64_t k, REAL *z, int64_t row, int64_t column, const int64_t *labels,
                            REAL *losses)
{
    return ABREAST_OF(k, row) == FEW ? T(losses_and_residuals_of)(FEW, n, k, z, row, column, labels, losses)
                                     : T(losses_and_residuals_of)(MANY, n, k, z, row, column, labels, losses);
}

/* Of one logit, the second class's less the first's: losses and p - y of the second class, in the place of z (n,).
 *
 * With z turned so that the label asks for less of it: log(1 + e^z) = log1p(e^-|z|) + max(z, 0). */
void T(logistic_losses_and_residuals)(int64_t n, REAL *z, const int64_t *labels, REAL *losses)
{
    REAL sign[MANY], turned[MANY], e[MANY]; /* loops of one step each are computed several numbers at a time */
    for (int64_t i = 0; i < n; i += MANY) {
        const int64_t rows = n - i < MANY ? n - i : MANY;
        for (int64_t j = 0; j < MANY; j++) {
            sign[j] = j < rows && labels[i + j] ? (REAL)-1 : (REAL)1;
            turned[j] = j < rows ? sign[j] * z[i + j] : 0;
        }
        for (int64_t j = 0; j < MANY; j++) e[j] = T(exp)(turned[j] < 0 ? turned[j] : -turned[j]);
        for (int64_t j = 0; j < rows; j++) losses[i + j] = T(log1p)(e[j]) + (turned[j] > 0 ? turned[j] : 0);
        for (int64_t j = 0; j < rows; j++) z[i + j] = sign[j] * T(sigmoid_from)(turned[j], e[j]);
    }
}

/* u, a change of the logits, becomes that of the probabilities p: p * (u - p'u), as pu - p (sum of pu). Both lie alike.
 * Returns 0 if memory ran out. */
int T(change_of_probabilities)(int64_t n, int64_t k, const REAL *p, REAL *u, int64_t row, int64_t column)
{
    const int64_t abreast = ABREAST_OF(k, row);
    REAL *own = malloc((size_t)(3 * k + 1) * abreast * sizeof(REAL));
    if (!own) return 0;
    REAL *both = own + k * abreast, *sum = both + k * abreast;
    for (int64_t i = 0; i < n; i += abreast) {
        const int64_t rows = n - i < abreast ? n - i : abreast;
        T(side_by_side)(k, rows, abreast, p + i * row, column, row, own);
        T(side_by_side)(k, rows, abreast, u + i * row, column, row, both);
        for (int64_t c = 0; c < k * abreast; c++) both[c] *= own[c];
        T(halve)(k, abreast, both, sum);
        for (int64_t c = 0; c < k; c++)
            for (int64_t j = 0; j < abreast; j++) both[c * abreast + j] -= own[c * abreast + j] * sum[j];
        T(put_back)(abreast, k, rows, both, u + i * row, column, row);
    }
    free(own);
    return 1;
}

#undef FEW
#undef MANY
#undef ABREAST_OF
