/* The upper tail of a matrix's score distribution under independent letters, exactly.
 *
 * Scores are given as losses from the best word (see pwm.c). A tail is a list of levels: the losses that
 * occur, ascending, each with the probability of a loss that small or smaller; it ends with the last level
 * whose probability is within the limit. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

typedef struct {
    int32_t loss;
    double p;
} level_t;

static const double SLACK = 1 + 1e-12; /* a probability equal to the limit counts as within, whatever the rounding */

static int by_loss(const void *a, const void *b) {
    int32_t x = ((const level_t *)a)->loss, y = ((const level_t *)b)->loss;
    return (x > y) - (x < y);
}

/* Words within `budget` losses, at most `capacity`; returns their number, or capacity + 1 if there are more. */
static int64_t list_words(int length, const int32_t *losses, const double *background, int64_t budget,
                          level_t *words, int64_t capacity) {
    int64_t count = 0, loss[length + 1];
    double p[length + 1];
    int letter[length + 1], depth = 0;
    loss[0] = 0, p[0] = 1, letter[0] = 0;
    while (depth >= 0) {
        if (letter[depth] == 4) {
            if (--depth >= 0) letter[depth]++;
            continue;
        }
        int64_t sum = loss[depth] + losses[4 * depth + letter[depth]];
        double q = p[depth] * background[letter[depth]];
        if (sum > budget) {
            letter[depth]++;
        } else if (depth + 1 < length) {
            depth++;
            loss[depth] = sum, p[depth] = q, letter[depth] = 0;
        } else {
            if (count == capacity) return capacity + 1;
            words[count++] = (level_t){(int32_t)sum, q};
            letter[depth]++;
        }
    }
    return count;
}

/* Sort words into levels and cut after the limit; returns the number of levels kept. *beyond: mass exceeds it. */
static int64_t to_levels(level_t *words, int64_t count, double limit, int *beyond) {
    int64_t kept = 0;
    double total = 0;
    qsort(words, (size_t)count, sizeof *words, by_loss);
    *beyond = 0;
    for (int64_t k = 0; k < count;) {
        int32_t loss = words[k].loss;
        for (; k < count && words[k].loss == loss; k++) total += words[k].p;
        if (total > limit * SLACK) {
            *beyond = 1;
            break;
        }
        words[kept++] = (level_t){loss, total};
    }
    return kept;
}

/* Tail of a short matrix by listing its words. range: the largest possible loss.
 * Returns the number of levels (freed by tail_free), or -1 when out of memory. */
int64_t tail_by_words(int length, const int32_t *losses, const double *background, double limit, int64_t range,
                      level_t **out) {
    int64_t capacity = 1024, budget = range / 16 + 1;
    level_t *words = malloc((size_t)capacity * sizeof *words);
    while (words) {
        int beyond = 0;
        int64_t count = list_words(length, losses, background, budget, words, capacity);
        if (count > capacity) {
            free(words);
            capacity *= 4;
            words = malloc((size_t)capacity * sizeof *words);
            continue;
        }
        int64_t levels = to_levels(words, count, limit, &beyond);
        if (beyond || budget >= range) {
            *out = words;
            return levels;
        }
        budget *= 2;
    }
    return -1;
}

/* One column: spread[s + loss] += mass[s] * background, for sums up to `top`; returns the new largest sum. */
static inline __attribute__((always_inline)) int64_t add_column_with(const double *mass, int64_t reach,
                                                                     const int32_t *losses, const double *background,
                                                                     int64_t top, double *spread) {
    int64_t most = 0;
    for (int b = 0; b < 4; b++)
        if (losses[b] <= top && losses[b] > most) most = losses[b];
    int64_t end = reach + most < top ? reach + most : top;
    memset(spread, 0, (size_t)(end + 1) * sizeof *spread);
    for (int b = 0; b < 4; b++) {
        int64_t step = losses[b], last = reach < top - step ? reach : top - step;
        const double weight = background[b];
        double *restrict to = spread + step;
        for (int64_t s = 0; s <= last; s++) to[s] += mass[s] * weight;
    }
    return end;
}

#if BIOCONV_X86
TARGET_AVX2 static int64_t add_column_avx2(const double *mass, int64_t reach, const int32_t *losses,
                                           const double *background, int64_t top, double *spread) {
    return add_column_with(mass, reach, losses, background, top, spread);
}
#endif

static int64_t add_column(const double *mass, int64_t reach, const int32_t *losses, const double *background,
                          int64_t top, double *spread) {
#if BIOCONV_X86
    if (bioconv_simd_level()) return add_column_avx2(mass, reach, losses, background, top, spread);
#endif
    return add_column_with(mass, reach, losses, background, top, spread);
}

/* Distribution of the sums up to `top`, in one of the two buffers of top + 1; returns which, *reach: the largest. */
static double *add_columns(int length, const int32_t *losses, const double *background, int64_t top, double *mass,
                           double *spread, int64_t *reach) {
    *reach = 0;
    mass[0] = 1;
    for (int j = 0; j < length; j++) {
        *reach = add_column(mass, *reach, losses + 4 * j, background, top, spread);
        double *swap = mass;
        mass = spread, spread = swap;
    }
    return mass;
}

enum { COARSE = 64 }; /* steps taken together for a first look */

/* A loss by which the probability has exceeded the limit, not much beyond the least: from losses rounded up to
 * COARSE steps, whose sums are never reached sooner. -1: out of memory. */
static int64_t sufficient_top(int length, const int32_t *losses, const double *background, double limit,
                              int64_t range) {
    int64_t top = range / COARSE + length, reach, s = 0;
    int32_t *coarse = malloc((size_t)length * 4 * sizeof *coarse);
    double *buffers = malloc((size_t)(top + 1) * 2 * sizeof *buffers), total = 0;
    if (coarse && buffers) {
        for (int k = 0; k < 4 * length; k++) coarse[k] = (losses[k] + COARSE - 1) / COARSE;
        const double *mass = add_columns(length, coarse, background, top, buffers, buffers + top + 1, &reach);
        while (s <= reach && total <= limit * SLACK) total += mass[s++];
        s = (s - 1) * COARSE < range && total > limit * SLACK ? (s - 1) * COARSE : range;
    } else s = -1;
    free(coarse), free(buffers);
    return s;
}

/* Tail of any matrix by dynamic programming over the sums. */
int64_t tail_by_sums(int length, const int32_t *losses, const double *background, double limit, int64_t range,
                     level_t **out) {
    for (int64_t top = sufficient_top(length, losses, background, limit, range);; top = 2 * top + 1 < range ? 2 * top + 1 : range) {
        if (top < 0) return -1;
        double *buffers = malloc((size_t)(top + 1) * 2 * sizeof *buffers), total = 0;
        level_t *levels = malloc((size_t)(top + 1) * sizeof *levels);
        if (!buffers || !levels) {
            free(buffers), free(levels);
            return -1;
        }
        int64_t reach, count = 0;
        const double *mass = add_columns(length, losses, background, top, buffers, buffers + top + 1, &reach);
        for (int64_t s = 0; s <= reach; s++) {
            if (mass[s] == 0) continue;
            total += mass[s];
            if (total > limit * SLACK) break;
            levels[count++] = (level_t){(int32_t)s, total};
        }
        free(buffers);
        if (total > limit * SLACK || top >= range) {
            *out = levels;
            return count;
        }
        free(levels);
    }
}

void tail_free(level_t *levels) { free(levels); }

/* First place in [first, last) whose value is not below x; x is not above the last. No branch depends on x: a wrong
 * guess would cost more than the comparisons saved. */
#define FIRST_NOT_BELOW(name, type)                                                       \
    static inline int64_t name(const type *values, int64_t first, int64_t last, type x) { \
        const type *base = values + first;                                                \
        for (int64_t n = last - first; n > 1; n -= n / 2)                                 \
            base += base[n / 2 - 1] < x ? n / 2 : 0;                                      \
        return base - values;                                                             \
    }
FIRST_NOT_BELOW(find_loss, int32_t)
FIRST_NOT_BELOW(find_p, double)

/* p[k]: probability of the level with losses[k] in motif motifs[k]; first[m]: where motif m's levels start. */
void tail_lookup(int64_t n, const int32_t *motifs, const int32_t *losses, const int64_t *first,
                 const int32_t *level_losses, const double *level_p, double *p) {
    for (int64_t k = 0; k < n; k++)
        p[k] = level_p[find_loss(level_losses, first[motifs[k]], first[motifs[k] + 1], losses[k])];
}

/* out[k]: the value of the level with probability p[k] in motif motifs[k]; first[m]: where motif m's levels start. */
void level_lookup(int64_t n, const int32_t *motifs, const double *p, const int64_t *first, const double *level_p,
                  const double *values, double *out) {
    for (int64_t k = 0; k < n; k++) out[k] = values[find_p(level_p, first[motifs[k]], first[motifs[k] + 1], p[k])];
}
