/* Detectors slid over sequences and pooled over positions, with their gradients: what training a motif detector
   network costs. A detector's value is a sum of entries of tables of two-letter words, for LANES detectors at once;
   the gradient of a mean goes back into tables of the same form, that of a maximum to one position. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { LANES = 16, SYMBOLS = 5, WORDS = SYMBOLS * SYMBOLS, AT_ONCE = 4 };

/* Filled in by Python (`conv/pooling_native.py`, class Block, same order): LANES detectors and N sequences. */
typedef struct {
    int64_t rows;           /* N */
    int64_t letters;        /* L */
    int64_t stride;         /* detectors in a row of `top` and its like */
    int32_t strands;        /* 1, or 2: the sequence, then its reverse complement */
    int32_t length;         /* m: letters of a detector */
    const uint8_t *codes;   /* (N, L): 0 to 3, unknown 4 */
    const float *weights;   /* (m, SYMBOLS, LANES); symbol 4 is the mean of the others */
    const float *bias;      /* (LANES,) */
    float *top;             /* (N, strands, stride): largest value, before the rectifier */
    int32_t *at;            /* like top: where, in positions of the padded sequence; the first one */
    float *sum;             /* like top: sum of the rectified values; or NULL */
    const float *top_grad;  /* like top */
    const float *sum_grad;  /* like top; or NULL */
    float *weights_grad;    /* (m, SYMBOLS, LANES) */
    float *bias_grad;       /* (LANES,) */
} PoolBlock;

#if defined(__GNUC__) || defined(__clang__)
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t Marks __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));
#define INLINE static inline __attribute__((always_inline))

/* Table t holds word w's weights at places 2t and 2t + 1; the last one of an odd length ignores the second letter. */
static void fill_tables(const PoolBlock *block, float *tables) {
    for (int t = 0, m = block->length; t < (m + 1) / 2; t++)
        for (int w = 0; w < WORDS; w++)
            for (int l = 0; l < LANES; l++) {
                const float *first = block->weights + (size_t)(2 * t) * SYMBOLS * LANES;
                float value = first[(w / SYMBOLS) * LANES + l];
                if (2 * t + 1 < m) value += first[(SYMBOLS + w % SYMBOLS) * LANES + l];
                tables[((size_t)t * WORDS + w) * LANES + l] = value;
            }
}

/* The padded letters of a row on a strand, and the words that start at each of them. */
static void fill_words(const PoolBlock *block, int64_t row, int strand, uint8_t *letters, uint8_t *words) {
    int64_t L = block->letters, pad = block->length - 1, n = L + 2 * pad;
    const uint8_t *codes = block->codes + row * L;
    memset(letters, UNKNOWN, (size_t)n + 1);
    for (int64_t i = 0; i < L; i++) {
        uint8_t code = strand ? codes[L - 1 - i] : codes[i];
        letters[pad + i] = code >= UNKNOWN ? UNKNOWN : strand ? 3 - code : code;
    }
    for (int64_t i = 0; i < n; i++) words[i] = (uint8_t)(letters[i] * SYMBOLS + letters[i + 1]);
}

#define CHOOSE(where, yes, no) ((Lanes)(((where) & (Marks)(yes)) | (~(where) & (Marks)(no))))

INLINE void values_at(const float *tables, const uint8_t *words, int count, const float *bias, int at_once,
                      Lanes *value) {
    for (int k = 0; k < at_once; k++) value[k] = *(const Lanes *)bias;
    for (int t = 0; t < count; t++)
        for (int k = 0; k < at_once; k++)
            value[k] += *(const Lanes *)(tables + ((size_t)t * WORDS + words[2 * t + k]) * LANES);
}

typedef struct {
    Lanes best, total;
    Marks at, here;
} Pooled;

INLINE void pool_in(Pooled *pooled, const Lanes *value, int sums) {
    Marks better = *value > pooled->best;
    pooled->best = CHOOSE(better, *value, pooled->best);
    pooled->at = (better & pooled->here) | (~better & pooled->at);
    pooled->here += 1;
    if (sums) pooled->total += (Lanes)((*value > 0.0f) & (Marks)*value);
}

INLINE void forward_row(const PoolBlock *block, const float *tables, const uint8_t *words, int64_t out, int sums) {
    int count = (block->length + 1) / 2;
    int64_t positions = block->letters + block->length - 1, i = 0;
    Lanes value[AT_ONCE], zero = {0};
    Pooled pooled = {zero - 3.0e38f, zero, (Marks)zero, (Marks)zero};
    for (; i + AT_ONCE <= positions; i += AT_ONCE) {
        values_at(tables, words + i, count, block->bias, AT_ONCE, value);
        for (int k = 0; k < AT_ONCE; k++) pool_in(&pooled, value + k, sums);
    }
    for (; i < positions; i++) {
        values_at(tables, words + i, count, block->bias, 1, value);
        pool_in(&pooled, value, sums);
    }
    *(Lanes *)(block->top + out) = pooled.best;
    *(Marks *)(block->at + out) = pooled.at;
    if (sums) *(Lanes *)(block->sum + out) = pooled.total;
}

/* Send the gradient of a row's sums into the tables of words. */
INLINE void sum_row(const PoolBlock *block, const float *tables, const uint8_t *words, int64_t out, float *grads,
                    Lanes *bias_grad) {
    int count = (block->length + 1) / 2;
    int64_t positions = block->letters + block->length - 1;
    Lanes grad = *(const Lanes *)(block->sum_grad + out);
    for (int64_t i = 0; i < positions; i++) {
        Lanes value;
        values_at(tables, words + i, count, block->bias, 1, &value);
        Lanes share = (Lanes)((value > 0.0f) & (Marks)grad);
        *bias_grad += share;
        for (int t = 0; t < count; t++)
            *(Lanes *)(grads + ((size_t)t * WORDS + words[i + 2 * t]) * LANES) += share;
    }
}

static void top_row(const PoolBlock *block, const uint8_t *letters, int64_t out) {
    for (int l = 0; l < LANES; l++) {
        float grad = block->top_grad[out + l];
        if (grad == 0.0f) continue;
        const uint8_t *match = letters + block->at[out + l];
        block->bias_grad[l] += grad;
        for (int j = 0; j < block->length; j++) block->weights_grad[(j * SYMBOLS + match[j]) * LANES + l] += grad;
    }
}

static void add_tables(const PoolBlock *block, const float *grads) {
    for (int t = 0, m = block->length; t < (m + 1) / 2; t++)
        for (int w = 0; w < WORDS; w++)
            for (int l = 0; l < LANES; l++) {
                float grad = grads[((size_t)t * WORDS + w) * LANES + l];
                float *first = block->weights_grad + (size_t)(2 * t) * SYMBOLS * LANES;
                first[(w / SYMBOLS) * LANES + l] += grad;
                if (2 * t + 1 < m) first[(SYMBOLS + w % SYMBOLS) * LANES + l] += grad;
            }
}

static int any(const float *values) {
    int found = 0;
    for (int l = 0; l < LANES; l++) found |= values[l] != 0.0f;
    return found;
}

INLINE void forward(const PoolBlock *block, const float *tables, uint8_t *letters, uint8_t *words) {
    for (int64_t row = 0; row < block->rows; row++)
        for (int strand = 0; strand < block->strands; strand++) {
            fill_words(block, row, strand, letters, words);
            int64_t out = (row * block->strands + strand) * block->stride;
            if (block->sum)
                forward_row(block, tables, words, out, 1);
            else
                forward_row(block, tables, words, out, 0);
        }
}

INLINE void backward(const PoolBlock *block, const float *tables, uint8_t *letters, uint8_t *words, float *grads) {
    Lanes bias_grad = {0};
    for (int64_t row = 0; row < block->rows; row++)
        for (int strand = 0; strand < block->strands; strand++) {
            int64_t out = (row * block->strands + strand) * block->stride;
            int sums = block->sum_grad && any(block->sum_grad + out);
            if (!sums && !any(block->top_grad + out)) continue; /* the strand that lost */
            fill_words(block, row, strand, letters, words);
            top_row(block, letters, out);
            if (sums) sum_row(block, tables, words, out, grads, &bias_grad);
        }
    for (int l = 0; l < LANES; l++) block->bias_grad[l] += bias_grad[l];
}

#define TARGET_AVX512 __attribute__((target("avx2,fma,bmi,bmi2,popcnt,avx512f,avx512bw,avx512vl,avx512dq")))
#if BIOCONV_X86
#define VARIANT(suffix, target)                                                                                   \
    target static void forward_##suffix(const PoolBlock *b, const float *t, uint8_t *l, uint8_t *w) {             \
        forward(b, t, l, w);                                                                                      \
    }                                                                                                             \
    target static void backward_##suffix(const PoolBlock *b, const float *t, uint8_t *l, uint8_t *w, float *g) {  \
        backward(b, t, l, w, g);                                                                                  \
    }
VARIANT(avx512, TARGET_AVX512)
VARIANT(avx2, TARGET_AVX2)
#endif
static void forward_plain(const PoolBlock *b, const float *t, uint8_t *l, uint8_t *w) { forward(b, t, l, w); }
static void backward_plain(const PoolBlock *b, const float *t, uint8_t *l, uint8_t *w, float *g) {
    backward(b, t, l, w, g);
}

/* Pool (`back` 0), or add the gradients to weights_grad and bias_grad, which the caller has zeroed (`back` 1).
   `simd` is the highest level to use. Returns 0, or -1 where memory ran out. */
int bioconv_pool(const PoolBlock *block, int32_t back, int32_t simd) {
    size_t tables = (size_t)(block->length + 1) / 2 * WORDS * LANES;
    size_t letters = (size_t)block->letters + 2 * (size_t)block->length + AT_ONCE;
    float *room = aligned_alloc(64, (tables * 2 * sizeof(float) + letters * 2 + 63) / 64 * 64);
    if (!room) return -1;
    uint8_t *codes = (uint8_t *)(room + 2 * tables), *words = codes + letters;
    float *grads = room + tables;
    memset(grads, 0, tables * sizeof(float));
    memset(words, UNKNOWN * SYMBOLS + UNKNOWN, letters);
    fill_tables(block, room);
    int level = bioconv_simd_level() < simd ? bioconv_simd_level() : simd;
    if (!back) {
#if BIOCONV_X86
        if (level >= SIMD_VBMI)
            forward_avx512(block, room, codes, words);
        else if (level >= SIMD_AVX2)
            forward_avx2(block, room, codes, words);
        else
#endif
            forward_plain(block, room, codes, words);
    } else {
#if BIOCONV_X86
        if (level >= SIMD_VBMI)
            backward_avx512(block, room, codes, words, grads);
        else if (level >= SIMD_AVX2)
            backward_avx2(block, room, codes, words, grads);
        else
#endif
            backward_plain(block, room, codes, words, grads);
        if (block->sum_grad) add_tables(block, grads);
    }
    free(room);
    return 0;
}
#else
int bioconv_pool(const PoolBlock *block, int32_t back, int32_t simd) {
    (void)block, (void)back, (void)simd;
    return -2; /* needs vector types: the caller uses torch */
}
#endif
