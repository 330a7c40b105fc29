/* Shared by the kernels: what the compiler can do. No Python.h, no NumPy ABI: plain C, opened with ctypes. */
#ifndef BIOCONV_KERNELS_H
#define BIOCONV_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
#define BIOCONV_X86 1
#include <immintrin.h>
#define TARGET_VBMI __attribute__((target("avx2,fma,bmi,bmi2,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi")))
#define TARGET_AVX2 __attribute__((target("avx2,fma,bmi,bmi2,popcnt")))
#else
#define BIOCONV_X86 0
#endif

#ifndef BIOCONV_SOURCE_HASH
#define BIOCONV_SOURCE_HASH ""
#endif

/* What may be used at run time: nothing beyond plain C, AVX2 with FMA, AVX-512 with byte permutations. */
enum { SIMD_NONE = 0, SIMD_AVX2 = 2, SIMD_VBMI = 3 };
int bioconv_simd_level(void);

enum { UNKNOWN = 4 }; /* base codes: A=0 C=1 G=2 T/U=3, anything else 4 */

#endif
