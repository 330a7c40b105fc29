/* Identity of the library: which sources it was built from, and what the processor offers. */
#include "kernels.h"

const char *bioconv_source_hash(void) { return BIOCONV_SOURCE_HASH; }

int bioconv_simd_level(void) {
#if BIOCONV_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 2;
#endif
    return 0;
}
