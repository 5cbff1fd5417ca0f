/* exp, log, log1p and the logistic function: the twin of reference/elementary.py, which says what each step is for.

   Included once for each number format and instruction set, with these macros defined:
     REAL           double or float
     BITS           uint64_t or uint32_t, of the same width
     FRACTION_BITS  52 or 23
     T(name)        the name with the suffix of the format and the instruction set

   The bits are those of the reference only where no product is fused with a sum (-ffp-contract=off) and the rules of
   IEEE 754 hold (no -ffast-math). No step branches, so that gcc -O3 -fno-math-errno -fno-trapping-math computes several
   numbers of a loop at once. */

#include <stdint.h>
#include <string.h>

#if FRACTION_BITS == 52
#define BIAS 1023
#define LEAST_NORMAL 0x1p-1022
#define SUBNORMAL_SHIFT 54
#define SUBNORMAL_SCALE 0x1p54
#define CARRIER 0x1p52
#define ROUNDING 0x1.8p52
#define EXP_LOWEST -746.0
#define EXP_HIGHEST 710.0
#define LOG2_E 1.44269504088896338700
#define EXP_LN2_HIGH 6.93147180369123816490e-01
#define EXP_LN2_LOW 1.90821492927058770002e-10
#define LOG_LN2_HIGH 6.93147180369123816490e-01
#define LOG_LN2_LOW 1.90821492927058770002e-10
#define LOWEST_FACTOR UINT64_C(0x3FE6A09E667F3BCD)
#define LOG1P_NEAR_LOW -0.2928932188134524
#define LOG1P_NEAR_HIGH 0.41421356237309503
#else
#define BIAS 127
#define LEAST_NORMAL 0x1p-126f
#define SUBNORMAL_SHIFT 25
#define SUBNORMAL_SCALE 0x1p25f
#define CARRIER 0x1p23f
#define ROUNDING 0x1.8p23f
#define EXP_LOWEST -104.5f
#define EXP_HIGHEST 89.0f
#define LOG2_E 1.44269502f
#define EXP_LN2_HIGH 6.93145752e-01f
#define EXP_LN2_LOW 1.42860677e-06f
#define LOG_LN2_HIGH 6.93138123e-01f
#define LOG_LN2_LOW 9.05800061e-06f
#define LOWEST_FACTOR UINT32_C(0x3F3504F3)
#define LOG1P_NEAR_LOW -0.29289323f
#define LOG1P_NEAR_HIGH 0.41421354f
#endif

#define ZERO ((REAL)0.0)
#define HALF ((REAL)0.5)
#define ONE ((REAL)1.0)
#define TWO ((REAL)2.0)
#define ANY_NAN ((REAL)__builtin_nan(""))
#define ANY_INFINITY ((REAL)__builtin_inf())

static inline BITS T(bits_of)(REAL x)
{
    BITS bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline REAL T(real_of)(BITS bits)
{
    REAL x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e^x of an x from EXP_LOWEST to EXP_HIGHEST; of a NaN some NaN. */
static inline REAL T(exp_within)(REAL x)
{
    REAL shifted = x * LOG2_E + ROUNDING;
    REAL n = shifted - ROUNDING;
    REAL high = x - n * EXP_LN2_HIGH;
    REAL low = n * EXP_LN2_LOW;
    REAL r = high - low;
    REAL square = r * r;
#if FRACTION_BITS == 52
    REAL polynomial = 4.13813679705723846039e-08 * square + -1.65339022054652515390e-06;
    polynomial = polynomial * square + 6.61375632143793436117e-05;
    polynomial = polynomial * square + -2.77777777770155933842e-03;
    polynomial = polynomial * square + 1.66666666666666019037e-01;
#else
    REAL polynomial = -2.76673329e-03f * square + 1.66666254e-01f;
#endif
    REAL rest = r - square * polynomial;
    REAL exp_r = ONE - ((low - (r * rest) / (TWO - rest)) - high);
    BITS exponents = T(bits_of)(shifted) - (T(bits_of)(ROUNDING) - 2 * BIAS);
    BITS first = exponents >> 1;
    BITS second = exponents - first;
    return exp_r * T(real_of)(first << FRACTION_BITS) * T(real_of)(second << FRACTION_BITS);
}

static inline REAL T(exp)(REAL x)
{
    REAL from_below = x < EXP_LOWEST ? EXP_LOWEST : x;
    REAL limited = x > EXP_HIGHEST ? EXP_HIGHEST : from_below;
    REAL result = T(exp_within)(limited);
    return x == x ? result : ANY_NAN;
}

/* From e^-|x|. */
static inline REAL T(sigmoid_from)(REAL x, REAL exponential)
{
    return (x < ZERO ? exponential : ONE) / (ONE + exponential);
}

static inline REAL T(sigmoid)(REAL x)
{
    return T(sigmoid_from)(x, T(exp)(x < ZERO ? x : -x));
}

/* 2^FRACTION_BITS + k + BIAS of x = 2^k m, and m in *factor, from the root of 1/2 to that of 2. */
static inline REAL T(split)(REAL x, REAL *factor)
{
    BITS bits = T(bits_of)(x) + (T(bits_of)(ONE) - LOWEST_FACTOR);
    *factor = T(real_of)((bits & (((BITS)1 << FRACTION_BITS) - 1)) + LOWEST_FACTOR);
    return T(real_of)((bits >> FRACTION_BITS) | T(bits_of)(CARRIER)) - CARRIER;
}

/* ln(2^k (1 + f)); low is the low part of k ln 2 and whatever else is small. */
static inline REAL T(log_of_product)(REAL k, REAL f, REAL low)
{
    REAL s = f / (TWO + f);
    REAL square = s * s;
    REAL fourth = square * square;
#if FRACTION_BITS == 52
    REAL even = 1.531383769920937332e-01 * fourth + 2.222219843214978396e-01;
    even = fourth * (even * fourth + 3.999999999940941908e-01);
    REAL odd = 1.479819860511658591e-01 * fourth + 1.818357216161805012e-01;
    odd = odd * fourth + 2.857142874366239149e-01;
    odd = square * (odd * fourth + 6.666666666666735130e-01);
#else
    REAL even = fourth * (2.42790788e-01f * fourth + 4.00009722e-01f);
    REAL odd = square * (2.84987867e-01f * fourth + 6.66666627e-01f);
#endif
    REAL half_square = HALF * f * f;
    return k * LOG_LN2_HIGH - ((half_square - (s * (half_square + (odd + even)) + low)) - f);
}

/* result, or the logarithm of an x that is not positive and finite. */
static inline REAL T(log_outside)(REAL x, REAL result)
{
    REAL of_zero = x == ZERO ? -ANY_INFINITY : result;
    REAL of_infinity = x == ANY_INFINITY ? ANY_INFINITY : of_zero;
    return x >= ZERO ? of_infinity : ANY_NAN;
}

static inline REAL T(log)(REAL x)
{
    REAL factor;
    REAL biased = T(split)(x < LEAST_NORMAL ? x * SUBNORMAL_SCALE : x, &factor);
    REAL k = biased - (x < LEAST_NORMAL ? (REAL)(BIAS + SUBNORMAL_SHIFT) : (REAL)BIAS);
    return T(log_outside)(x, T(log_of_product)(k, factor - ONE, k * LOG_LN2_LOW));
}

static inline REAL T(log1p)(REAL x)
{
    REAL factor;
    REAL total = ONE + x;
    REAL biased = T(split)(total, &factor);
    REAL lost = (x > ONE ? ONE - (total - x) : x - (total - ONE)) / total;
    int is_near = (x > LOG1P_NEAR_LOW) & (x < LOG1P_NEAR_HIGH);
    REAL k = is_near ? ZERO : biased - (REAL)BIAS;
    REAL f = is_near ? x : factor - ONE;
    REAL result = T(log_of_product)(k, f, k * LOG_LN2_LOW + (is_near ? ZERO : lost));
    return T(log_outside)(total, x == ZERO ? x : result);
}

#define ARRAY_FUNCTION(name)                                                                                           \
    void T(name##_array)(const REAL *x, REAL *y, int64_t n)                                                            \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            y[i] = T(name)(x[i]);                                                                                      \
    }

ARRAY_FUNCTION(exp)
ARRAY_FUNCTION(log)
ARRAY_FUNCTION(log1p)
ARRAY_FUNCTION(sigmoid)

#undef ARRAY_FUNCTION
#undef BIAS
#undef LEAST_NORMAL
#undef SUBNORMAL_SHIFT
#undef SUBNORMAL_SCALE
#undef CARRIER
#undef ROUNDING
#undef EXP_LOWEST
#undef EXP_HIGHEST
#undef LOG2_E
#undef EXP_LN2_HIGH
#undef EXP_LN2_LOW
#undef LOG_LN2_HIGH
#undef LOG_LN2_LOW
#undef LOWEST_FACTOR
#undef LOG1P_NEAR_LOW
#undef LOG1P_NEAR_HIGH
#undef ZERO
#undef HALF
#undef ONE
#undef TWO
#undef ANY_NAN
#undef ANY_INFINITY
