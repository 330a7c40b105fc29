/* Random sequences with the same two-letter words: a uniform draw among the Eulerian walks of a sequence's letters.

   Altschul & Erickson, Mol Biol Evol 2:526-538 (1985), doi 10.1093/oxfordjournals.molbev.a040370. Every letter but
   the last one of the sequence gets a last edge; where these lead all letters to the end, the other edges may come
   in any order. Drawing last edges anew until they do (rejection) keeps the draw uniform. */
#include <string.h>

#include "kernels.h"

enum { SYMBOLS = 5 };

static uint64_t next(uint64_t *state) { /* SplitMix64 */
    uint64_t z = *state += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

static int64_t below(uint64_t *state, int64_t n) { return (int64_t)((next(state) >> 32) * (uint64_t)n >> 32); }

/* Whether every letter that has edges comes to the end by last edges. */
static int connected(const uint8_t *last, const int64_t *count, int end) {
    for (int s = 0; s < SYMBOLS; s++) {
        int at = s, steps = 0;
        while (count[s] && at != end && steps++ < SYMBOLS) at = last[at];
        if (count[s] && at != end) return 0;
    }
    return 1;
}

/* edges: room for L letters. */
static void shuffle(const uint8_t *codes, int64_t L, uint64_t state, uint8_t *edges, uint8_t *out) {
    int64_t count[SYMBOLS] = {0}, first[SYMBOLS + 1] = {0}, used[SYMBOLS] = {0};
    uint8_t last[SYMBOLS];
    int end = codes[L - 1];
    for (int64_t i = 0; i + 1 < L; i++) count[codes[i]]++;
    for (int s = 0; s < SYMBOLS; s++) first[s + 1] = first[s] + count[s];
    for (int64_t i = 0; i + 1 < L; i++) edges[first[codes[i]] + used[codes[i]]++] = codes[i + 1];
    do
        for (int s = 0; s < SYMBOLS; s++) {
            if (!count[s] || s == end) continue;
            int64_t chosen = below(&state, count[s]), back = first[s + 1] - 1;
            uint8_t letter = edges[first[s] + chosen];
            edges[first[s] + chosen] = edges[back];
            last[s] = edges[back] = letter;
        }
    while (!connected(last, count, end));
    for (int s = 0; s < SYMBOLS; s++)
        for (int64_t i = count[s] - (s == end ? 1 : 2); i > 0; i--) { /* all but the last edge, in any order */
            int64_t j = below(&state, i + 1);
            uint8_t letter = edges[first[s] + i];
            edges[first[s] + i] = edges[first[s] + j];
            edges[first[s] + j] = letter;
        }
    out[0] = codes[0];
    for (int64_t i = 1; i < L; i++) out[i] = edges[first[out[i - 1]]++];
}

/* (N, L) codes 0 to 4, a key for each row, room for L letters; out (N, L). */
void bioconv_shuffle(const uint8_t *codes, int64_t rows, int64_t L, const uint64_t *keys, uint8_t *room, uint8_t *out) {
    for (int64_t row = 0; row < rows && L > 0; row++) shuffle(codes + row * L, L, keys[row], room, out + row * L);
}
