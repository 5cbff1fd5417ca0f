/* Every function for float32 and for float64, with registers of REGISTER_BYTES. */

#define LANES ((int64_t)(REGISTER_BYTES / sizeof(REAL)))

#define TYPE float32
#define REAL float
#define BITS uint32_t
#define FRACTION_BITS 23
#include "one_type.h"
#undef TYPE
#undef REAL
#undef BITS
#undef FRACTION_BITS

#define TYPE float64
#define REAL double
#define BITS uint64_t
#define FRACTION_BITS 52
#include "one_type.h"
#include "factors.h"
#undef TYPE
#undef REAL
#undef BITS
#undef FRACTION_BITS

#undef LANES
