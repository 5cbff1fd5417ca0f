/* Every function for one type and one instruction set. */

typedef REAL T(vector) __attribute__((vector_size(REGISTER_BYTES), aligned(sizeof(REAL)), may_alias));
#define VECTOR T(vector)
#include "elementary.h"
#include "transpose.h"
#include "sums.h"
#include "softmax.h"
#include "products.h"
#include "lookups.h"
#undef VECTOR
