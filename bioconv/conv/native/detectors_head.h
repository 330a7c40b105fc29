/* From pooled windows to scores, in terms of NAME, TARGET and vectors of LANE floats (see detectors.c). No include
   guard: it is compiled once for every kind of vector. */
#ifndef MOST
#define MOST 4
#define INLINE static inline __attribute__((always_inline))
#endif

/* The score of one strand: x points at its D maxima; its sums, if any, are C floats on. */
TARGET INLINE float NAME(linear)(const DetectorPlan *plan, const float *x, int D) {
    LANES sum = FILL(0.0f);
    for (int d = 0; d < D; d += LANE) sum = MULADD(LOAD(x + d), LOAD(plan->weights1 + d), sum);
    if (plan->average)
        for (int d = 0; d < D; d += LANE) sum = MULADD(LOAD(x + plan->channels + d), LOAD(plan->weights1 + D + d), sum);
    return NAME(total)(sum) + plan->biases1[0];
}

/* What `tile` vectors of hidden units from `unit` on add to the scores of two pooled strands: every weight that is
   loaded is used twice. */
TARGET INLINE void NAME(units)(const DetectorPlan *plan, const float *const *x, int D, int unit, LANES *out,
                               int tile) {
    LANES h[2][MOST], zero = FILL(0.0f);
    for (int r = 0; r < 2; r++)
        for (int v = 0; v < tile; v++) h[r][v] = LOAD(plan->biases1 + unit + v * LANE);
    const float *weight = plan->weights1 + unit;
    for (int half = 0; half <= plan->average; half++)
        for (int d = 0; d < D; d++, weight += plan->hidden)
            for (int r = 0; r < 2; r++) {
                LANES value = FILL(x[r][d + half * plan->channels]);
                for (int v = 0; v < tile; v++) h[r][v] = MULADD(value, LOAD(weight + v * LANE), h[r][v]);
            }
    for (int r = 0; r < 2; r++)
        for (int v = 0; v < tile; v++)
            out[r] = MULADD(MAX(h[r][v], zero), LOAD(plan->weights2 + unit + v * LANE), out[r]);
}

TARGET INLINE void NAME(perceptron)(const DetectorPlan *plan, const float *const *x, int D, float *scores) {
    LANES out[2] = {FILL(0.0f), FILL(0.0f)};
    int unit = 0;
    for (; unit + 4 * LANE <= plan->hidden; unit += 4 * LANE) NAME(units)(plan, x, D, unit, out, 4);
    for (; unit < plan->hidden; unit += LANE) NAME(units)(plan, x, D, unit, out, 1);
    for (int r = 0; r < 2; r++) scores[r] = NAME(total)(out[r]) + plan->bias2;
}

/* Scores of `count` pooled windows. Neighbours mostly have the same maxima, hence the same score, so the hidden layer
   is computed only for windows that differ from the one before; scratch: room for 2 `count` numbers. */
TARGET static void NAME(heads)(const DetectorPlan *plan, const float *rows, int64_t count, int32_t *scratch,
                               float *out) {
    size_t width = plan->average ? 2 * plan->channels : plan->channels;
    int S = plan->strands, D = plan->channels / S;
    if (!plan->hidden) {
        for (int64_t i = 0; i < count * S; i++) out[i] = NAME(linear)(plan, rows + i / S * width + i % S * D, D);
        return;
    }
    int32_t *changed = scratch, *source = scratch + count; /* windows to compute; the one that w's score is */
    for (int s = 0; s < S; s++, rows += D, out++) {
        int64_t n = 0;
        for (int64_t w = 0; w < count; w++) {
            int differs = w == 0 || plan->average;
            if (!differs) /* no early end: one more comparison is cheaper than a branch that is hard to foresee */
                for (int d = 0; d < D; d += LANE)
                    differs |= DIFFER(LOAD(rows + w * width + d), LOAD(rows + (w - 1) * width + d));
            changed[n] = (int32_t)w;
            n += differs != 0;
            source[w] = changed[n - 1];
        }
        for (int64_t k = 0; k < n; k += 2) {
            int64_t first = changed[k], second = k + 1 < n ? changed[k + 1] : first;
            const float *x[2] = {rows + first * width, rows + second * width};
            float scores[2];
            NAME(perceptron)(plan, x, D, scores);
            out[first * S] = scores[0];
            out[second * S] = scores[1];
        }
        for (int64_t w = 0; w < count; w++) out[w * S] = out[source[w] * S];
    }
}
