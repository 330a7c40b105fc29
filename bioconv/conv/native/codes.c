/* Small passes over base codes. */
#include "kernels.h"

/* Add to counts[k] the windows of lengths[k] letters that start before `limit` and hold known letters only. */
void count_windows(const uint8_t *codes, int64_t n, int64_t limit, int kinds, const int32_t *lengths,
                   int64_t *counts) {
    for (int64_t from = 0; from < n;) {
        while (from < n && codes[from] >= UNKNOWN) from++;
        int64_t to = from;
        while (to < n && codes[to] < UNKNOWN) to++;
        for (int k = 0; k < kinds; k++) {
            int64_t end = to - lengths[k] + 1 < limit ? to - lengths[k] + 1 : limit;
            if (end > from) counts[k] += end - from;
        }
        from = to;
    }
}

/* Letters of n matches: codes [position, position + length), reverse complemented where strand is 1.
 * offsets: n + 1, where each match starts in `out`. */
void match_letters(int64_t n, const int64_t *positions, const uint8_t *reverse, const uint8_t *codes,
                   const int64_t *offsets, char *out) {
    static const char letters[] = "ACGTNNNN", complements[] = "TGCANNNN";
    for (int64_t k = 0; k < n; k++) {
        int64_t length = offsets[k + 1] - offsets[k];
        const uint8_t *from = codes + positions[k];
        char *to = out + offsets[k];
        for (int64_t j = 0; j < length; j++)
            to[j] = reverse[k] ? complements[from[length - 1 - j] & 7] : letters[from[j] & 7];
    }
}
