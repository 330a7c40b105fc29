/* What one call of the detector kernels works on. */
#ifndef BIOCONV_DETECTORS_H
#define BIOCONV_DETECTORS_H

#include "kernels.h"

enum { LANE = 8, TABLE_LETTERS = 4 };

/* Filled in by Python (`conv/detectors.py`, class _Plan, same order). A channel is one detector on one strand;
   every strand has `channels / strands` of them, a multiple of LANE (the surplus ones have zero weights). */
typedef struct {
    int64_t window;        /* W: letters of a window */
    int64_t stride;        /* from one window's start to the next */
    int32_t length;        /* m: letters of a detector */
    int32_t channels;      /* C */
    int32_t strands;       /* 1, or 2 (forward channels first) */
    int32_t hidden;        /* H, a multiple of LANE; 0: linear head */
    int32_t padded;        /* detectors may hang over the window's ends, onto unknown letters */
    int32_t average;       /* the mean over positions is a feature too */
    const float *letters;  /* (m, 5, C): weight of a letter less that of the unknown letter, so row 4 is 0 */
    const float *constant; /* (C): the detector on unknown letters only, plus its threshold */
    const float *weights1; /* (F, H) or (F,) if linear; F: features of a strand, all max then all sums */
    const float *biases1;  /* (H,) or (1,) if linear */
    const float *weights2; /* (H,) */
    float bias2;
} DetectorPlan;

/* How the detector at a position meets unknown letters. */
enum { KNOWN, MIXED, ALL_UNKNOWN };

typedef struct {
    const DetectorPlan *plan;
    const uint8_t *codes;
    int64_t n;            /* letters */
    int64_t windows;      /* windows, all of them inside the letters */
    int32_t letters;      /* q: letters per table lookup */
    int32_t groups;       /* lookups per position */
    const float *tables;  /* (groups, 4^q, C): sums of `letters` rows; the first one holds `constant` as well */
    const uint8_t *kmers; /* (n,): code of the q letters from here */
    const uint8_t *kinds; /* (n,): KNOWN, MIXED or ALL_UNKNOWN for the m letters from here */
} DetectorScan;

#endif
