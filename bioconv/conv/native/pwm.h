/* A set of matrices made ready for scanning: built in pwm_plan.c, used in pwm.c. */
#ifndef BIOCONV_PWM_H
#define BIOCONV_PWM_H

#include "kernels.h"

enum {
    INDEX_WIDTH = 10,           /* columns: 4^10 words, a bitmap of 128 KiB */
    INDEX_MOTIFS = 3,           /* fewer short motifs than this are not worth a pass of their own */
    INDEX_ENTRIES = 4 << 20,    /* more words than this no longer fit the cache: scan instead */
    GROUP = 128,                /* windows ruled out together */
    BLOCK = 16 * 1024,          /* windows per pass over the motifs, so that the codes stay in the L1 cache */
    BUDGET = 254,               /* the budget in bytes; 255 is out */
};

typedef struct {
    int32_t length, budget, steps, prune; /* prune: words after which most groups are out */
    const int32_t *losses[2];             /* [length][4] per strand */
    const uint8_t *tables;                /* [steps][2 strands][4^span] */
    const int32_t *offsets;               /* [steps] */
} motif_t;

typedef struct {
    int32_t key, loss;
} entry_t;

typedef struct {
    int n, strands, longest; /* strands: 1 forward, 2 reverse, 3 both */
    int simd, span;          /* instructions used (kernels.h); letters of a word */
    motif_t *motifs;
    int scanned;             /* motifs ruled out on bytes */
    int32_t *scan_order;
    int indexed;             /* motifs looked up */
    uint64_t *bitmap;
    uint32_t *rank, *first;
    entry_t *entries;
    void *memory[4];
} plan_t;

#endif
