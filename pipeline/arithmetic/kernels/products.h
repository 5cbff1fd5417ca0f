/* Products of matrices with one order of summation, whatever the shape of the loops around it.
 *
 * An entry of a product is a chain of products and sums over the inner index, ascending; no sum is split by the width
 * of a register, since lanes lie along the columns of the result. So tiles and copies below are free to follow the
 * processor: they do not move a bit. Element (i, p) of a matrix lies at a[i * row + p * column]; strides may be
 * negative.
 */

#define TILE (2 * LANES)

/* C (rows, vectors * LANES) += A B, one tile in registers. */
static inline __attribute__((always_inline)) void T(tile)(
    const int rows, const int vectors, int64_t depth, const REAL *a, int64_t a_row, int64_t a_column, const REAL *b,
    int64_t b_row, REAL *c, int64_t c_row)
{
    VECTOR sums[8][2];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) sums[i][v] = *(const VECTOR *)(c + i * c_row + v * LANES);
    for (int64_t p = 0; p < depth; p++, a += a_column, b += b_row) {
        VECTOR columns[2];
        for (int v = 0; v < vectors; v++) columns[v] = *(const VECTOR *)(b + v * LANES);
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++) sums[i][v] += a[i * a_row] * columns[v];
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) *(VECTOR *)(c + i * c_row + v * LANES) = sums[i][v];
}

#define TILE_OF(ROWS, VECTORS) \
    static __attribute__((noinline)) void T(tile_##ROWS##_##VECTORS)( \
        int64_t depth, const REAL *a, int64_t a_row, int64_t a_column, const REAL *b, int64_t b_row, REAL *c, \
        int64_t c_row) \
    { \
        T(tile)(ROWS, VECTORS, depth, a, a_row, a_column, b, b_row, c, c_row); \
    }
TILE_OF(1, 1)
TILE_OF(1, 2)
TILE_OF(2, 1)
TILE_OF(2, 2)
TILE_OF(4, 1)
TILE_OF(4, 2)
#if ROWS_IN_TILE == 8
TILE_OF(8, 1)
TILE_OF(8, 2)
#else
TILE_OF(6, 1)
TILE_OF(6, 2)
#endif

/* The same for any number of rows up to ROWS_IN_TILE. */
static void T(tiles)(int64_t rows, int64_t vectors, int64_t depth, const REAL *a, int64_t a_row, int64_t a_column,
                     const REAL *b, int64_t b_row, REAL *c, int64_t c_row)
{
#define NEXT(ROWS) \
    if (rows >= ROWS) { \
        if (vectors == 2) T(tile_##ROWS##_2)(depth, a, a_row, a_column, b, b_row, c, c_row); \
        else T(tile_##ROWS##_1)(depth, a, a_row, a_column, b, b_row, c, c_row); \
        rows -= ROWS; \
        a += ROWS * a_row; \
        c += ROWS * c_row; \
    }
#if ROWS_IN_TILE == 8
    NEXT(8)
#else
    NEXT(6)
#endif
    NEXT(4)
    NEXT(2)
    NEXT(1)
#undef NEXT
}

/* A stretch of sign B with the columns of a tile side by side, and zeros where there are none. */
static void T(copy_columns)(REAL sign, const REAL *b, int64_t b_row, int64_t b_column, int64_t depth, int64_t width,
                            int64_t tile, REAL *copy)
{
    if (b_column == 1)
        for (int64_t p = 0; p < depth; p++) {
            if (width == TILE)
                for (int64_t j = 0; j < TILE; j++) copy[p * tile + j] = sign * b[p * b_row + j];
            else
                for (int64_t j = 0; j < tile; j++) copy[p * tile + j] = j < width ? sign * b[p * b_row + j] : 0;
        }
    else {
        if (b_row == 1 && sign > 0) T(transpose)(width, depth, b, b_column, copy, tile);
        else
            for (int64_t j = 0; j < width; j++)
                for (int64_t p = 0; p < depth; p++) copy[p * tile + j] = sign * b[p * b_row + j * b_column];
        for (int64_t j = width; j < tile; j++)
            for (int64_t p = 0; p < depth; p++) copy[p * tile + j] = 0;
    }
}

typedef struct {
    int64_t m, n, depth;
    const REAL *a;
    int64_t a_row, a_column;
    const REAL *b;
    int64_t b_row, b_column;
    REAL sign, *c; /* where c is NULL, stretches are added to the totals */
    double *totals;
    int64_t c_row;
} T(operands);

/* A tile of the totals += the sums of a stretch. */
static void T(add_to_totals)(int64_t rows, int64_t width, const REAL *part, double *totals, int64_t c_row)
{
    for (int64_t r = 0; r < rows; r++) {
        if (width == TILE)
            for (int64_t l = 0; l < TILE; l++) totals[r * c_row + l] += (double)part[r * TILE + l];
        else
            for (int64_t l = 0; l < width; l++) totals[r * c_row + l] += (double)part[r * TILE + l];
    }
}

/* A stretch of rows of A, each number of a column beside the next row's. */
static void T(copy_rows)(int64_t rows, int64_t depth, const REAL *a, int64_t a_row, int64_t a_column, REAL *copy)
{
    if (a_column == 1) T(transpose)(rows, depth, a, a_row, copy, ROWS_IN_TILE);
    else
        for (int64_t q = 0; q < depth; q++)
            for (int64_t r = 0; r < rows; r++) copy[q * ROWS_IN_TILE + r] = a[r * a_row + q * a_column];
}

/* Rows i and columns j of C or the totals, a tile of them, += a stretch of rows of A times columns of B. */
static void T(add_tile)(const T(operands) *o, int64_t i, int64_t rows, int64_t j, int64_t width, int64_t depth,
                        const REAL *a, int64_t a_row, int64_t a_column, const REAL *b, int64_t b_row)
{
    REAL part[ROWS_IN_TILE * TILE] __attribute__((aligned(64)));
    const int64_t vectors = width > LANES ? 2 : 1;
    if (!o->c) {
        memset(part, 0, sizeof part);
        T(tiles)(rows, vectors, depth, a, a_row, a_column, b, b_row, part, TILE);
        T(add_to_totals)(rows, width, part, o->totals + i * o->c_row + j, o->c_row);
        return;
    }
    REAL *c = o->c + i * o->c_row + j;
    if (width == vectors * LANES) {
        T(tiles)(rows, vectors, depth, a, a_row, a_column, b, b_row, c, o->c_row);
        return;
    }
    memset(part, 0, sizeof part);
    for (int64_t r = 0; r < rows; r++) memcpy(part + r * TILE, c + r * o->c_row, (size_t)width * sizeof(REAL));
    T(tiles)(rows, vectors, depth, a, a_row, a_column, b, b_row, part, TILE);
    for (int64_t r = 0; r < rows; r++) memcpy(c + r * o->c_row, part + r * TILE, (size_t)width * sizeof(REAL));
}

/* Columns first .. last of C and a stretch from p on; room is for a copy of that part of B. */
static void T(multiply_part)(const T(operands) *o, int64_t first, int64_t last, int64_t p, int64_t depth, REAL *room)
{
    REAL rows_copy[ROWS_IN_TILE * STRETCH] __attribute__((aligned(64)));
    const REAL *b = o->b + p * o->b_row;
    /* As it lies, B serves where its rows lie in one piece and go through once. */
    const int b_is_copied = o->b_column != 1 || (last - first) % LANES || o->m > ROWS_IN_TILE || o->sign < 0;
    /* A's rows, where they are far apart or go through many times. */
    const int a_is_copied = o->m > 1 && (last - first > 2 * TILE || o->a_row * (int64_t)sizeof(REAL) >= 1024);
    if (b_is_copied)
        for (int64_t j = first; j < last; j += TILE) {
            const int64_t width = last - j < TILE ? last - j : TILE;
            T(copy_columns)(o->sign, b + j * o->b_column, o->b_row, o->b_column, depth, width,
                            width > LANES ? TILE : LANES, room + (j - first) * depth);
        }
    for (int64_t i = 0; i < o->m; i += ROWS_IN_TILE) {
        const int64_t rows = o->m - i < ROWS_IN_TILE ? o->m - i : ROWS_IN_TILE;
        const REAL *a = o->a + i * o->a_row + p * o->a_column;
        int64_t a_row = o->a_row, a_column = o->a_column;
        if (a_is_copied) {
            T(copy_rows)(rows, depth, a, a_row, a_column, rows_copy);
            a = rows_copy;
            a_row = 1;
            a_column = ROWS_IN_TILE;
        }
        for (int64_t j = first; j < last; j += TILE) {
            const int64_t width = last - j < TILE ? last - j : TILE;
            if (b_is_copied)
                T(add_tile)(o, i, rows, j, width, depth, a, a_row, a_column, room + (j - first) * depth,
                            width > LANES ? TILE : LANES);
            else T(add_tile)(o, i, rows, j, width, depth, a, a_row, a_column, b + j, o->b_row);
        }
    }
}

static void T(multiply)(T(operands) o)
{
    REAL spare[STRETCH * TILE] __attribute__((aligned(64)));
    if (o.n == 1 && o.c_row == 1 && o.a_row == 1) /* the other way round, so that lanes lie along A's columns */
        o = (T(operands)){1, o.m, o.depth, o.b, 0, o.b_row, o.a, o.a_column, 1, o.sign, o.c, o.totals, o.m};
    const int64_t stretch = o.depth < STRETCH ? o.depth : STRETCH;
    int64_t columns = stretch ? CACHED / stretch / TILE * TILE : TILE; /* of B, whose copy stays in a cache */
    if (columns > (o.n + TILE - 1) / TILE * TILE) columns = (o.n + TILE - 1) / TILE * TILE;
    REAL *room = o.n > TILE ? malloc((size_t)(columns * stretch) * sizeof(REAL)) : NULL;
    if (!room) columns = TILE;
    for (int64_t p = 0; p < o.depth; p += STRETCH) {
        const int64_t depth = o.depth - p < STRETCH ? o.depth - p : STRETCH;
        for (int64_t j = 0; j < o.n; j += columns)
            T(multiply_part)(&o, j, j + columns < o.n ? j + columns : o.n, p, depth, room ? room : spare);
    }
    free(room);
}

/* C (m, n) += sign A (m, depth) B (depth, n): entry by entry a chain over the inner index, begun with what C holds. */
void T(add_product)(double sign, int64_t m, int64_t n, int64_t depth, const REAL *a, int64_t a_row, int64_t a_column,
                    const REAL *b, int64_t b_row, int64_t b_column, REAL *c, int64_t c_row)
{
    T(multiply)((T(operands)){m, n, depth, a, a_row, a_column, b, b_row, b_column, (REAL)sign, c, NULL, c_row});
}

/* The same count times; each matrix begins so many numbers after the one before. */
void T(add_products)(double sign, int64_t count, int64_t m, int64_t n, int64_t depth, const REAL *a, int64_t a_next,
                     int64_t a_row, int64_t a_column, const REAL *b, int64_t b_next, int64_t b_row, int64_t b_column,
                     REAL *c, int64_t c_next, int64_t c_row)
{
    for (int64_t i = 0; i < count; i++, a += a_next, b += b_next, c += c_next)
        T(add_product)(sign, m, n, depth, a, a_row, a_column, b, b_row, b_column, c, c_row);
}

/* Totals (m, n) += A B, in stretches of the inner index: each is a chain begun with 0, and their sums are added. */
void T(add_stretches)(int64_t m, int64_t n, int64_t depth, const REAL *a, int64_t a_row, int64_t a_column,
                      const REAL *b, int64_t b_row, int64_t b_column, double *totals, int64_t c_row)
{
    T(multiply)((T(operands)){m, n, depth, a, a_row, a_column, b, b_row, b_column, 1, NULL, totals, c_row});
}

#undef TILE_OF
#undef TILE
