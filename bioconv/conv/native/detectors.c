/* Scores of a small convolutional network (one layer of detectors, pooling, a head) on windows of a sequence.

   Sums over letters come from tables of q-letter words; the maximum over a window's positions from running
   maxima of blocks as long as the window (van Herk, doi 10.1016/0167-8655(92)90069-C; Gil & Werman, doi
   10.1109/34.211471), the mean from running sums of the same blocks, so that no error builds up.
   The algorithm stands once, in detectors_kernel.h, and is compiled for plain C and for AVX2. */
#include <stdlib.h>
#include <string.h>

#include "detectors.h"

#if BIOCONV_X86
#define NAME(x) x##_avx2
#define TARGET TARGET_AVX2
#define LANES __m256
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define FILL(x) _mm256_set1_ps(x)
#define ADD(a, b) _mm256_add_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)
#define MULADD(a, b, c) _mm256_fmadd_ps(a, b, c)
TARGET_AVX2 static inline float total_avx2(__m256 x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
#include "detectors_kernel.h"
#undef NAME
#undef TARGET
#undef LANES
#undef LOAD
#undef STORE
#undef FILL
#undef ADD
#undef MAX
#undef MULADD
#endif

typedef struct {
    float lane[LANE];
} Plain;

static inline Plain plain_load(const float *p) {
    Plain x;
    memcpy(x.lane, p, sizeof x.lane);
    return x;
}
static inline void plain_store(float *p, Plain x) { memcpy(p, x.lane, sizeof x.lane); }
static inline Plain plain_fill(float value) {
    Plain x;
    for (int l = 0; l < LANE; l++) x.lane[l] = value;
    return x;
}
static inline Plain plain_add(Plain a, Plain b) {
    for (int l = 0; l < LANE; l++) a.lane[l] += b.lane[l];
    return a;
}
static inline Plain plain_max(Plain a, Plain b) {
    for (int l = 0; l < LANE; l++) a.lane[l] = a.lane[l] > b.lane[l] ? a.lane[l] : b.lane[l];
    return a;
}
static inline Plain plain_muladd(Plain a, Plain b, Plain c) {
    for (int l = 0; l < LANE; l++) c.lane[l] += a.lane[l] * b.lane[l];
    return c;
}
static inline float total_plain(Plain x) {
    return ((x.lane[0] + x.lane[4]) + (x.lane[2] + x.lane[6])) + ((x.lane[1] + x.lane[5]) + (x.lane[3] + x.lane[7]));
}
#define NAME(x) x##_plain
#define TARGET
#define LANES Plain
#define LOAD(p) plain_load(p)
#define STORE(p, x) plain_store(p, x)
#define FILL(x) plain_fill(x)
#define ADD(a, b) plain_add(a, b)
#define MAX(a, b) plain_max(a, b)
#define MULADD(a, b, c) plain_muladd(a, b, c)
#include "detectors_kernel.h"

/* Table g holds the sums of `scan->letters` consecutive letter rows. The last one ends where the detector ends,
   so it may overlap the one before: rows already counted are left out. */
static void fill_tables(const DetectorScan *scan, float *tables) {
    const DetectorPlan *plan = scan->plan;
    int q = scan->letters, C = plan->channels, words = 1 << (2 * q);
    for (int g = 0; g < scan->groups; g++) {
        int start = g < scan->groups - 1 ? g * q : plan->length - q;
        float *table = tables + (size_t)g * words * C;
        for (int c = 0; c < C; c++) table[c] = 0.0f;
        /* Words of k letters grow to words of k + 1, from the back so that none is overwritten too early. */
        for (int k = 0, known = 1; k < q; k++, known *= 4) {
            const float *rows = plan->letters + (size_t)(start + k) * 5 * C;
            float use = start + k >= g * q ? 1.0f : 0.0f;
            for (int word = known * 4 - 1; word >= 0; word--) {
                const float *from = table + (size_t)(word / 4) * C, *row = rows + (size_t)(word % 4) * C;
                float *to = table + (size_t)word * C;
                for (int c = 0; c < C; c++) to[c] = from[c] + use * row[c];
            }
        }
        /* Last, as it may be much larger than a weight: one rounding instead of q. */
        for (int i = 0; g == 0 && i < words * C; i++) table[i] += plan->constant[i % C];
    }
}

static void fill_words(const DetectorScan *scan, uint8_t *kmers, uint8_t *kinds) {
    int m = scan->plan->length, q = scan->letters, mask = (1 << (2 * q)) - 1;
    int64_t word = 0, unknown = 0;
    for (int64_t i = 0; i < scan->n; i++) {
        word = (word << 2 | (scan->codes[i] & 3)) & mask;
        unknown += scan->codes[i] >= UNKNOWN;
        if (i >= m) unknown -= scan->codes[i - m] >= UNKNOWN;
        if (i >= q - 1) kmers[i - q + 1] = (uint8_t)word;
        if (i >= m - 1) kinds[i - m + 1] = unknown == 0 ? KNOWN : unknown == m ? ALL_UNKNOWN : MIXED;
    }
}

/* Score the windows that start at 0, stride, 2 stride, ... and lie inside the n letters: out (windows, strands).
   Returns 0, or -1 where memory ran out. */
int bioconv_detector_scores(const DetectorPlan *plan, const uint8_t *codes, int64_t n, int32_t simd, float *out) {
    if (n < plan->window) return 0;
    int q = plan->length < TABLE_LETTERS ? plan->length : TABLE_LETTERS;
    DetectorScan scan = {plan, codes, n, (n - plan->window) / plan->stride + 1, q, (plan->length + q - 1) / q, 0, 0, 0};
    float *tables = malloc(sizeof(float) * scan.groups * plan->channels << (2 * q));
    uint8_t *words = malloc((size_t)n * 2 + 1);
    int status = -1;
    if (tables && words) {
        fill_tables(&scan, tables);
        fill_words(&scan, words, words + n);
        scan.tables = tables, scan.kmers = words, scan.kinds = words + n;
#if BIOCONV_X86
        if (simd && bioconv_simd_level() >= 2)
            status = scores_avx2(&scan, out);
        else
#endif
            status = scores_plain(&scan, out);
    }
    (void)simd;
    free(tables);
    free(words);
    return status;
}
