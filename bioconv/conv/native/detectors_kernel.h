/* The scoring of windows, in terms of NAME, TARGET and vectors of LANE floats (see detectors.c). No include guard:
   it is compiled once for every kind of vector.

   A "row" is one value per channel. All maxima start at 0, which is the rectifier. Channels are worked on in
   tiles of up to MOST vectors that the compiler keeps in registers: `tile` (vectors) is a constant after inlining. */
#ifndef MOST
#define MOST 4
#define INLINE static inline __attribute__((always_inline))
#endif

/* y = the detectors at position i, channels from c on. */
TARGET INLINE void NAME(position)(const DetectorScan *scan, int64_t i, int c, int tile, LANES *y) {
    const DetectorPlan *plan = scan->plan;
    size_t C = plan->channels;
    if (scan->kinds[i] == KNOWN) {
        size_t step = C << (2 * scan->letters);
        const float *table = scan->tables + c;
        for (int v = 0; v < tile; v++) y[v] = LOAD(table + scan->kmers[i] * C + v * LANE);
        for (int g = 1; g < scan->groups; g++) {
            int start = g < scan->groups - 1 ? g * scan->letters : plan->length - scan->letters;
            const float *row = table + g * step + scan->kmers[i + start] * C;
            for (int v = 0; v < tile; v++) y[v] = ADD(y[v], LOAD(row + v * LANE));
        }
        return;
    }
    for (int v = 0; v < tile; v++) y[v] = LOAD(plan->constant + c + v * LANE);
    if (scan->kinds[i] == ALL_UNKNOWN) return;
    for (int k = 0; k < plan->length; k++) {
        const float *row = plan->letters + (k * 5 + scan->codes[i + k]) * C + c;
        for (int v = 0; v < tile; v++) y[v] = ADD(y[v], LOAD(row + v * LANE));
    }
}

/* Positions [first, first + K) replace the block before them. In: suffix[j] = maximum (and, C floats on, sum) of
   the old block from j on. Out: the same of the new block, and rows[j], the pooled window that starts at place j
   of the old block: its end j.. together with the start ..j-1 of the new one. */
TARGET INLINE void NAME(block)(const DetectorScan *scan, int64_t first, float *suffix, float *rows, int64_t count,
                               int c, int tile, int average) {
    const DetectorPlan *plan = scan->plan;
    int64_t K = plan->window - plan->length + 1, positions = scan->n - plan->length + 1;
    size_t C = plan->channels, width = average ? 2 * C : C;
    int64_t there = positions - first < K ? positions - first : K;
    LANES top[MOST], sum[MOST], y[MOST], zero = FILL(0.0f);
    for (int v = 0; v < tile; v++) top[v] = sum[v] = zero;
    for (int64_t j = 0; j < K; j++) {
        float *old = suffix + j * width + c, *row = rows + j * width + c;
        if (j < count)
            for (int v = 0; v < tile; v++) {
                STORE(row + v * LANE, MAX(top[v], LOAD(old + v * LANE)));
                if (average) STORE(row + C + v * LANE, ADD(sum[v], LOAD(old + C + v * LANE)));
            }
        if (j >= there) continue;
        NAME(position)(scan, first + j, c, tile, y);
        for (int v = 0; v < tile; v++) {
            if (average) y[v] = MAX(y[v], zero);
            top[v] = MAX(top[v], y[v]);
            STORE(old + v * LANE, y[v]);
            if (average) {
                sum[v] = ADD(sum[v], y[v]);
                STORE(old + C + v * LANE, y[v]);
            }
        }
    }
    for (int v = 0; v < tile; v++) top[v] = sum[v] = zero;
    for (int64_t j = there - 1; j >= 0; j--) {
        float *old = suffix + j * width + c;
        for (int v = 0; v < tile; v++) {
            top[v] = MAX(top[v], LOAD(old + v * LANE));
            STORE(old + v * LANE, top[v]);
            if (!average) continue;
            sum[v] = ADD(sum[v], LOAD(old + C + v * LANE));
            STORE(old + C + v * LANE, sum[v]);
        }
    }
}

TARGET static void NAME(blocks)(const DetectorScan *scan, int64_t first, float *suffix, float *rows, int64_t count) {
    int C = scan->plan->channels, average = scan->plan->average, c = 0;
    for (; c + 4 * LANE <= C; c += 4 * LANE)
        average ? NAME(block)(scan, first, suffix, rows, count, c, 4, 1)
                : NAME(block)(scan, first, suffix, rows, count, c, 4, 0);
    for (; c + 2 * LANE <= C; c += 2 * LANE)
        average ? NAME(block)(scan, first, suffix, rows, count, c, 2, 1)
                : NAME(block)(scan, first, suffix, rows, count, c, 2, 0);
    for (; c < C; c += LANE)
        average ? NAME(block)(scan, first, suffix, rows, count, c, 1, 1)
                : NAME(block)(scan, first, suffix, rows, count, c, 1, 0);
}

/* One diagonal of the recurrence below: the partial sum of d letters takes in letters from .. to - 1 of the next
   `many`, and is compared with the window that ends (or starts) after each of them. */
TARGET INLINE void NAME(diagonal)(const float *const *row, ptrdiff_t step, int d, int from, int to, LANES *x,
                                  LANES (*top)[MOST], LANES (*sum)[MOST], int tile, int many, int average) {
    LANES zero = FILL(0.0f);
    for (int r = 0; r < many; r++) {
        if (r < from || r >= to) continue;
        const float *letter = row[r] + (d + r) * step;
        for (int v = 0; v < tile; v++) {
            x[v] = ADD(x[v], LOAD(letter + v * LANE));
            top[r][v] = MAX(top[r][v], x[v]);
            if (average) sum[r][v] = ADD(sum[r][v], MAX(x[v], zero));
        }
    }
}

/* Take in the `many` letters whose table rows begin at row[0..]: all partial sums, longest first, so that each
   one is read before it is overwritten by one `many` letters shorter. */
TARGET INLINE void NAME(advance)(const float *const *row, ptrdiff_t step, int m, float *partial, LANES (*top)[MOST],
                                 LANES (*sum)[MOST], int tile, int many, int average) {
    LANES x[MOST];
    for (int d = m - 2; d > -many; d--) {
        const float *start = partial + (d > 0 ? d : 0) * tile * LANE;
        int from = d < 0 ? -d : 0, to = m - 1 - d < many ? m - 1 - d : many;
        for (int v = 0; v < tile; v++) x[v] = LOAD(start + v * LANE);
        if (from == 0 && to == many)
            NAME(diagonal)(row, step, d, 0, many, x, top, sum, tile, many, average);
        else
            NAME(diagonal)(row, step, d, from, to, x, top, sum, tile, many, average);
        if (d + many < m)
            for (int v = 0; v < tile; v++) STORE(partial + ((d + many) * tile + v) * LANE, x[v]);
    }
}

/* Detectors that hang over one end of windows first .. first + count - 1, added to their pooled rows.
   With k letters inside the window a detector scores
     left end, window start i:  A_k(i) = A_{k-1}(i + 1) + letters[m - k][c_i]
     right end, last letter e:  B_k(e) = B_{k-1}(e - 1) + letters[k - 1][c_e]
   and `constant` with k = 0: both ends are the same recurrence, walked in opposite directions. It takes in `many`
   letters at a time, so that a partial sum stays in registers for as many steps. The first m - 2 letters only
   fill the partial sums. */
TARGET INLINE void NAME(overhang)(const DetectorScan *scan, int64_t first, int64_t count, int right, float *partial,
                                  float *rows, int c, int tile, int most, int average) {
    const DetectorPlan *plan = scan->plan;
    int m = plan->length, direction = right ? 1 : -1;
    size_t C = plan->channels, width = average ? 2 * C : C;
    ptrdiff_t step = right ? 5 * (ptrdiff_t)C : -5 * (ptrdiff_t)C;
    const float *table = plan->letters + (right ? 0 : (m - 1) * 5 * C) + c;
    const uint8_t *letter = scan->codes + (right ? first + plan->window - 1 - (m - 2) : first + count - 1 + (m - 2));
    for (int k = 0; k < m; k++)
        for (int v = 0; v < tile; v++) STORE(partial + (k * tile + v) * LANE, LOAD(plan->constant + c + v * LANE));
    for (int64_t s = -(m - 2); s < count;) {
        LANES top[MOST][MOST], sum[MOST][MOST], zero = FILL(0.0f);
        const float *row[MOST];
        int many = count - s < most ? 1 : most;
        for (int r = 0; r < most; r++)
            for (int v = 0; v < tile; v++) top[r][v] = sum[r][v] = zero;
        for (int r = 0; r < many; r++, letter += direction) row[r] = table + *letter * C;
        if (many == 1)
            NAME(advance)(row, step, m, partial, top, sum, tile, 1, average);
        else
            NAME(advance)(row, step, m, partial, top, sum, tile, most, average);
        for (int r = 0; r < most; r++, s++) {
            if (r >= many) break;
            if (s < 0) continue;
            float *pooled = rows + (right ? s : count - 1 - s) * width + c;
            for (int v = 0; v < tile; v++, pooled += LANE) {
                STORE(pooled, MAX(top[r][v], LOAD(pooled)));
                if (average) STORE(pooled + C, ADD(sum[r][v], LOAD(pooled + C)));
            }
        }
    }
}

TARGET static void NAME(overhangs)(const DetectorScan *scan, int64_t first, int64_t count, float *partial,
                                   float *rows) {
    int C = scan->plan->channels, average = scan->plan->average;
    for (int right = 0; right < 2; right++) {
        int c = 0;
        for (; c + 2 * LANE <= C; c += 2 * LANE)
            average ? NAME(overhang)(scan, first, count, right, partial, rows, c, 2, 2, 1)
                    : NAME(overhang)(scan, first, count, right, partial, rows, c, 2, 4, 0);
        for (; c < C; c += LANE)
            average ? NAME(overhang)(scan, first, count, right, partial, rows, c, 1, 4, 1)
                    : NAME(overhang)(scan, first, count, right, partial, rows, c, 1, 4, 0);
    }
}

/* One window that starts at letter i, position by position; row: C maxima (and C sums). */
TARGET static void NAME(single)(const DetectorScan *scan, int64_t i, float *row) {
    const DetectorPlan *plan = scan->plan;
    int64_t m = plan->length, W = plan->window, outside = plan->padded ? m - 1 : 0;
    for (int c = 0; c < plan->channels; c += LANE) {
        LANES top = FILL(0.0f), sum = top, part = top, zero = top, y;
        for (int64_t s = -outside; s <= W - m + outside; s++) {
            if (s >= 0 && s <= W - m) {
                NAME(position)(scan, i + s, c, 1, &y);
            } else {
                y = zero; /* the constant comes last: it may be much larger than a weight */
                for (int64_t k = s < 0 ? -s : 0; k < m && s + k < W; k++)
                    y = ADD(y, LOAD(plan->letters + (k * 5 + scan->codes[i + s + k]) * plan->channels + c));
                y = ADD(y, LOAD(plan->constant + c));
            }
            top = MAX(top, y);
            part = ADD(part, MAX(y, zero));
            if ((s & 255) == 255) sum = ADD(sum, part), part = zero; /* long records: sums of sums */
        }
        STORE(row + c, top);
        if (plan->average) STORE(row + plan->channels + c, ADD(sum, part));
    }
}

/* The score of one strand: x points at its D maxima; its sums, if any, are C floats on. */
TARGET INLINE float NAME(linear)(const DetectorPlan *plan, const float *x, int D) {
    LANES sum = FILL(0.0f);
    for (int d = 0; d < D; d += LANE) sum = MULADD(LOAD(x + d), LOAD(plan->weights1 + d), sum);
    if (plan->average)
        for (int d = 0; d < D; d += LANE) sum = MULADD(LOAD(x + plan->channels + d), LOAD(plan->weights1 + D + d), sum);
    return NAME(total)(sum) + plan->biases1[0];
}

/* What `tile` vectors of hidden units from `unit` on add to the scores of `many` (1 or 2) pooled strands at once,
   so that every weight loaded is used `many` times. */
TARGET INLINE void NAME(units)(const DetectorPlan *plan, const float *const *x, int D, int unit, LANES *out, int many,
                               int tile) {
    LANES h[2][MOST], zero = FILL(0.0f);
    for (int r = 0; r < many; r++)
        for (int v = 0; v < tile; v++) h[r][v] = LOAD(plan->biases1 + unit + v * LANE);
    const float *weight = plan->weights1 + unit;
    for (int half = 0; half <= plan->average; half++)
        for (int d = 0; d < D; d++, weight += plan->hidden)
            for (int r = 0; r < many; r++) {
                LANES value = FILL(x[r][d + half * plan->channels]);
                for (int v = 0; v < tile; v++) h[r][v] = MULADD(value, LOAD(weight + v * LANE), h[r][v]);
            }
    for (int r = 0; r < many; r++)
        for (int v = 0; v < tile; v++)
            out[r] = MULADD(MAX(h[r][v], zero), LOAD(plan->weights2 + unit + v * LANE), out[r]);
}

TARGET INLINE void NAME(perceptron)(const DetectorPlan *plan, const float *const *x, int D, int many, float *scores) {
    LANES out[2] = {FILL(0.0f), FILL(0.0f)};
    int unit = 0;
    for (; unit + 4 * LANE <= plan->hidden; unit += 4 * LANE) NAME(units)(plan, x, D, unit, out, many, 4);
    for (; unit < plan->hidden; unit += LANE) NAME(units)(plan, x, D, unit, out, many, 1);
    for (int r = 0; r < many; r++) scores[r] = NAME(total)(out[r]) + plan->bias2;
}

TARGET static void NAME(heads)(const DetectorPlan *plan, const float *rows, int64_t count, float *out) {
    size_t width = plan->average ? 2 * plan->channels : plan->channels;
    int S = plan->strands, D = plan->channels / S;
    for (int64_t w = 0; w < count; w++, rows += width, out += S) {
        const float *x[2] = {rows, rows + D};
        if (!plan->hidden)
            for (int s = 0; s < S; s++) out[s] = NAME(linear)(plan, x[s], D);
        else if (S == 2)
            NAME(perceptron)(plan, x, D, 2, out);
        else
            NAME(perceptron)(plan, x, D, 1, out);
    }
}

/* All windows; rows: room for `batch` pooled windows, a whole number of blocks. */
TARGET static void NAME(slide)(const DetectorScan *scan, float *rows, int64_t batch, float *suffix, float *partial,
                               float *out) {
    const DetectorPlan *plan = scan->plan;
    int64_t K = plan->window - plan->length + 1;
    size_t width = plan->average ? 2 * plan->channels : plan->channels;
    NAME(blocks)(scan, 0, suffix, rows, 0);
    for (int64_t first = 0; first < scan->windows; first += batch) {
        int64_t count = scan->windows - first < batch ? scan->windows - first : batch;
        for (int64_t w = 0; w < count; w += K)
            NAME(blocks)(scan, first + w + K, suffix, rows + w * width, count - w < K ? count - w : K);
        if (plan->padded && plan->length > 1) NAME(overhangs)(scan, first, count, partial, rows);
        NAME(heads)(plan, rows, count, out + first * plan->strands);
    }
}

TARGET static int NAME(scores)(const DetectorScan *scan, float *out) {
    const DetectorPlan *plan = scan->plan;
    int64_t K = plan->window - plan->length + 1;
    int sliding = plan->stride == 1 && K > 0 && scan->windows > 1;
    int64_t batch = sliding ? (255 / K + 1) * K : 1;
    size_t width = plan->average ? 2 * plan->channels : plan->channels;
    float *rows = malloc(sizeof(float) * width * batch);
    float *suffix = malloc(sizeof(float) * width * (sliding ? K : 1));
    float *partial = malloc(sizeof(float) * MOST * LANE * plan->length);
    int status = rows && suffix && partial ? 0 : -1;
    if (status == 0 && sliding) NAME(slide)(scan, rows, batch, suffix, partial, out);
    for (int64_t w = 0; status == 0 && !sliding && w < scan->windows; w++) {
        NAME(single)(scan, w * plan->stride, rows);
        NAME(heads)(plan, rows, 1, out + w * plan->strands);
    }
    free(rows);
    free(suffix);
    free(partial);
    return status;
}
