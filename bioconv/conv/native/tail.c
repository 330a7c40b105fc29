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
static int64_t add_column(const double *mass, int64_t reach, const int32_t *losses, const double *background,
                          int64_t top, double *spread) {
    int64_t most = 0;
    for (int b = 0; b < 4; b++)
        if (losses[b] <= top && losses[b] > most) most = losses[b];
    int64_t end = reach + most < top ? reach + most : top;
    memset(spread, 0, (size_t)(end + 1) * sizeof *spread);
    for (int b = 0; b < 4; b++) {
        int64_t step = losses[b], last = reach < top - step ? reach : top - step;
        const double weight = background[b];
        double *to = spread + step;
        for (int64_t s = 0; s <= last; s++) to[s] += mass[s] * weight;
    }
    return end;
}

/* Tail of any matrix by dynamic programming over the sums, up to a top that is doubled until it suffices. */
int64_t tail_by_sums(int length, const int32_t *losses, const double *background, double limit, int64_t range,
                     level_t **out) {
    for (int64_t top = range < 8192 ? range : 8192;; top = 2 * top < range ? 2 * top : range) {
        double *mass = malloc((size_t)(top + 1) * sizeof *mass), *spread = malloc((size_t)(top + 1) * sizeof *spread);
        level_t *levels = malloc((size_t)(top + 1) * sizeof *levels);
        if (!mass || !spread || !levels) {
            free(mass), free(spread), free(levels);
            return -1;
        }
        int64_t reach = 0, count = 0;
        mass[0] = 1;
        for (int j = 0; j < length; j++) {
            reach = add_column(mass, reach, losses + 4 * j, background, top, spread);
            double *swap = mass;
            mass = spread, spread = swap;
        }
        double total = 0;
        for (int64_t s = 0; s <= reach; s++) {
            if (mass[s] == 0) continue;
            total += mass[s];
            if (total > limit * SLACK) break;
            levels[count++] = (level_t){(int32_t)s, total};
        }
        free(mass), free(spread);
        if (total > limit * SLACK || top >= range) {
            *out = levels;
            return count;
        }
        free(levels);
    }
}

void tail_free(level_t *levels) { free(levels); }

/* p[k]: probability of the level with losses[k] in motif motifs[k]; first[m]: where motif m's levels start. */
void tail_lookup(int64_t n, const int32_t *motifs, const int32_t *losses, const int64_t *first,
                 const int32_t *level_losses, const double *level_p, double *p) {
    for (int64_t k = 0; k < n; k++) {
        int64_t low = first[motifs[k]], high = first[motifs[k] + 1] - 1;
        while (low < high) {
            int64_t mid = (low + high) / 2;
            if (level_losses[mid] < losses[k]) low = mid + 1;
            else high = mid;
        }
        p[k] = level_p[low];
    }
}
