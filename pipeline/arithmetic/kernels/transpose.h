/* A copy of a matrix (rows, columns), turned: to[j * to_row + i] = from[i * from_row + j]. */

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HAS_SHUFFLE
#endif
#endif

typedef REAL T(four) __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

static inline void T(transpose)(int64_t rows, int64_t columns, const REAL *from, int64_t from_row, REAL *to,
                                int64_t to_row)
{
    int64_t i = 0;
#ifdef HAS_SHUFFLE
    for (; i + 4 <= rows; i += 4) { /* four by four, in registers */
        int64_t j = 0;
        for (; j + 4 <= columns; j += 4) {
            const REAL *corner = from + i * from_row + j;
            const T(four) a = *(const T(four) *)corner, b = *(const T(four) *)(corner + from_row);
            const T(four) c = *(const T(four) *)(corner + 2 * from_row), d = *(const T(four) *)(corner + 3 * from_row);
            const T(four) ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
            const T(four) cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
            const T(four) AB = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const T(four) CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            REAL *place = to + j * to_row + i;
            *(T(four) *)place = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
            *(T(four) *)(place + to_row) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
            *(T(four) *)(place + 2 * to_row) = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);
            *(T(four) *)(place + 3 * to_row) = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
        }
        for (; j < columns; j++)
            for (int64_t r = i; r < i + 4; r++) to[j * to_row + r] = from[r * from_row + j];
    }
#endif
    for (; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) to[j * to_row + i] = from[i * from_row + j];
}

#undef HAS_SHUFFLE
