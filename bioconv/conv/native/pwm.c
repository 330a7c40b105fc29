/* Position weight matrices against base codes: every window whose loss stays within a budget, both strands.
 *
 * A matrix is given as losses: how far each letter falls below the best letter of its column, as whole
 * numbers on a fine grid. A window is a hit when its losses add up to no more than the motif's budget.
 *
 * Most windows are ruled out on bytes: a word of two columns (three with AVX-512 VBMI) per lookup in a table
 * of losses scaled so that 254 is the budget and rounded down (so no hit is lost), added with saturation, the
 * most telling words first, leaving as soon as every window of a group is out. What remains is added up
 * exactly.
 * Motifs of up to INDEX_WIDTH columns are looked up instead: all words within budget are listed once.
 */
#include <stdlib.h>
#include <string.h>

#include "pwm.h"

typedef struct {
    int32_t position, key, loss; /* key: 2 * motif + strand, 0 forward, 1 reverse */
} hit_t;

typedef struct {
    hit_t *items;
    int64_t count, capacity;
} hits_t;

static int keep(hits_t *hits, int64_t position, int32_t key, int32_t loss) {
    if (hits->count == hits->capacity) {
        int64_t capacity = hits->capacity ? 2 * hits->capacity : 4096;
        hit_t *items = realloc(hits->items, (size_t)capacity * sizeof *items);
        if (!items) return 0;
        hits->items = items, hits->capacity = capacity;
    }
    hits->items[hits->count++] = (hit_t){(int32_t)position, key, loss};
    return 1;
}

/* Add a window up exactly; keep it when it is within budget and all letters are known. */
static int confirm(hits_t *hits, const motif_t *motif, const uint8_t *codes, int64_t at, int32_t key) {
    const int32_t *losses = motif->losses[key & 1];
    int64_t sum = 0;
    for (int j = 0; j < motif->length; j++) {
        uint8_t code = codes[at + j];
        if (code >= UNKNOWN) return 1;
        sum += losses[4 * j + code];
    }
    return sum > motif->budget || keep(hits, at, key, (int32_t)sum);
}

typedef struct {
    const uint8_t *codes, *words; /* words[i]: codes i and the next one or two, unknown taken as A */
    const uint8_t *alive;         /* per group: does any window start at a known letter */
    int64_t from, to;             /* window starts */
    int strands, span;
} block_t;

static int scan_scalar(const block_t *block, const motif_t *motif, int32_t key, hits_t *hits) {
    const int size = 1 << 2 * block->span;
    for (int64_t i = block->from; i < block->to; i++) {
        if (block->codes[i] >= UNKNOWN) continue;
        for (int strand = 0; strand < 2; strand++) {
            if (!(block->strands >> strand & 1)) continue;
            const uint8_t *table = motif->tables + size * strand;
            int sum = 0;
            for (int p = 0; p < motif->steps && sum <= BUDGET; p++)
                sum += table[2 * size * p + block->words[i - block->from + motif->offsets[p]]];
            if (sum <= BUDGET && !confirm(hits, motif, block->codes, i, key + strand)) return 0;
        }
    }
    return 1;
}

#if BIOCONV_X86
#define INLINE static inline __attribute__((always_inline))

/* Add up exactly what is still in among 64 windows: a bit per window. */
static int confirm_bits(const block_t *block, const motif_t *motif, int32_t key, int64_t at, uint64_t in, hits_t *hits) {
    for (; in; in &= in - 1) {
        int64_t i = at + __builtin_ctzll(in);
        if (i < block->to && !confirm(hits, motif, block->codes, i, key)) return 0;
    }
    return 1;
}

#define LANES 4 /* vectors of 32 windows in a group */

TARGET_AVX2 INLINE void add_pair(__m256i forward[LANES], __m256i reverse[LANES], const uint8_t *tables,
                                 const uint8_t *words) {
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)tables));
    const __m256i mirrored = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(tables + 16)));
    for (int v = 0; v < LANES; v++) {
        const __m256i pairs = _mm256_loadu_si256((const __m256i *)(words + 32 * v));
        forward[v] = _mm256_adds_epu8(forward[v], _mm256_shuffle_epi8(table, pairs));
        reverse[v] = _mm256_adds_epu8(reverse[v], _mm256_shuffle_epi8(mirrored, pairs));
    }
}

TARGET_AVX2 INLINE int all_out(const __m256i forward[LANES], const __m256i reverse[LANES]) {
    __m256i all = _mm256_and_si256(forward[0], reverse[0]);
    for (int v = 1; v < LANES; v++) all = _mm256_and_si256(all, _mm256_and_si256(forward[v], reverse[v]));
    return _mm256_testc_si256(all, _mm256_set1_epi8(-1));
}

TARGET_AVX2 INLINE uint64_t still_in(__m256i low, __m256i high) {
    const __m256i out = _mm256_set1_epi8(-1);
    uint32_t first = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, out));
    uint32_t second = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, out));
    return ~((uint64_t)second << 32 | first);
}

/* Rule out group by group; `prune` is a constant where this is inlined, so that the words before the first test
 * are laid out one after the other. */
TARGET_AVX2 INLINE int scan_pairs(const block_t *block, const motif_t *motif, int32_t key, hits_t *hits, int prune) {
    const uint8_t *tables = motif->tables;
    const int32_t *offsets = motif->offsets;
    const int steps = motif->steps, strands = block->strands;
    for (int64_t at = block->from, g = 0; at < block->to; at += GROUP, g++) {
        if (!block->alive[g]) continue;
        const uint8_t *words = block->words + (at - block->from);
        __m256i forward[LANES], reverse[LANES];
        for (int v = 0; v < LANES; v++) forward[v] = reverse[v] = _mm256_setzero_si256();
#pragma GCC unroll 8
        for (int p = 0; p < prune; p++) add_pair(forward, reverse, tables + 32 * p, words + offsets[p]);
        int out = all_out(forward, reverse);
        for (int p = prune; p < steps && !out; p++) {
            add_pair(forward, reverse, tables + 32 * p, words + offsets[p]);
            out = all_out(forward, reverse);
        }
        if (out) continue;
        uint64_t in[2][2] = {{still_in(forward[0], forward[1]), still_in(forward[2], forward[3])},
                             {still_in(reverse[0], reverse[1]), still_in(reverse[2], reverse[3])}};
        for (int strand = 0; strand < 2; strand++)
            for (int half = 0; half < 2; half++)
                if (strands >> strand & 1 && !confirm_bits(block, motif, key + strand, at + 64 * half, in[strand][half], hits))
                    return 0;
    }
    return 1;
}

TARGET_AVX2 static int scan_avx2(const block_t *block, const motif_t *motif, int32_t key, hits_t *hits) {
    switch (motif->prune) {
    case 3: return scan_pairs(block, motif, key, hits, 3);
    case 4: return scan_pairs(block, motif, key, hits, 4);
    case 5: return scan_pairs(block, motif, key, hits, 5);
    case 6: return scan_pairs(block, motif, key, hits, 6);
    case 7: return scan_pairs(block, motif, key, hits, 7);
    case 8: return scan_pairs(block, motif, key, hits, 8);
    default: return scan_pairs(block, motif, key, hits, motif->prune);
    }
}

/* As above, 64 windows to a vector and three letters to a word. */
TARGET_VBMI INLINE void add_triple(__m512i sum[4], const uint8_t *tables, const uint8_t *words) {
    const __m512i table = _mm512_loadu_si512(tables), mirrored = _mm512_loadu_si512(tables + 64);
    for (int v = 0; v < 2; v++) {
        const __m512i triples = _mm512_loadu_si512(words + 64 * v);
        sum[v] = _mm512_adds_epu8(sum[v], _mm512_permutexvar_epi8(triples, table));
        sum[2 + v] = _mm512_adds_epu8(sum[2 + v], _mm512_permutexvar_epi8(triples, mirrored));
    }
}

TARGET_VBMI INLINE int any_in(const __m512i sum[4]) {
    __m512i all = _mm512_and_si512(_mm512_and_si512(sum[0], sum[1]), _mm512_and_si512(sum[2], sum[3]));
    return _mm512_cmpneq_epu8_mask(all, _mm512_set1_epi8(-1)) != 0;
}

TARGET_VBMI INLINE int scan_triples(const block_t *block, const motif_t *motif, int32_t key, hits_t *hits, int prune) {
    const uint8_t *tables = motif->tables;
    const int32_t *offsets = motif->offsets;
    const int steps = motif->steps, strands = block->strands;
    for (int64_t at = block->from, g = 0; at < block->to; at += GROUP, g++) {
        if (!block->alive[g]) continue;
        const uint8_t *words = block->words + (at - block->from);
        __m512i sum[4];
        for (int v = 0; v < 4; v++) sum[v] = _mm512_setzero_si512();
#pragma GCC unroll 8
        for (int p = 0; p < prune; p++) add_triple(sum, tables + 128 * p, words + offsets[p]);
        int in = any_in(sum);
        for (int p = prune; p < steps && in; p++) {
            add_triple(sum, tables + 128 * p, words + offsets[p]);
            in = any_in(sum);
        }
        if (!in) continue;
        uint64_t bits[4];
        for (int v = 0; v < 4; v++) bits[v] = _mm512_cmpneq_epu8_mask(sum[v], _mm512_set1_epi8(-1));
        for (int v = 0; v < 4; v++)
            if (strands >> v / 2 & 1 && !confirm_bits(block, motif, key + v / 2, at + 64 * (v & 1), bits[v], hits)) return 0;
    }
    return 1;
}

TARGET_VBMI static int scan_vbmi(const block_t *block, const motif_t *motif, int32_t key, hits_t *hits) {
    switch (motif->prune) {
    case 2: return scan_triples(block, motif, key, hits, 2);
    case 3: return scan_triples(block, motif, key, hits, 3);
    case 4: return scan_triples(block, motif, key, hits, 4);
    case 5: return scan_triples(block, motif, key, hits, 5);
    case 6: return scan_triples(block, motif, key, hits, 6);
    default: return scan_triples(block, motif, key, hits, motif->prune);
    }
}
#endif

static int scan_motif(const plan_t *plan, const block_t *block, int m, hits_t *hits) {
#if BIOCONV_X86
    if (plan->simd >= SIMD_VBMI) return scan_vbmi(block, &plan->motifs[m], 2 * m, hits);
    if (plan->simd >= SIMD_AVX2) return scan_avx2(block, &plan->motifs[m], 2 * m, hits);
#endif
    (void)plan;
    return scan_scalar(block, &plan->motifs[m], 2 * m, hits);
}

/* Windows of the indexed motifs: one lookup per position for all of them. */
static int scan_index(const block_t *block, const plan_t *plan, hits_t *hits) {
    const uint8_t *codes = block->codes;
    const uint32_t mask = (1u << 2 * INDEX_WIDTH) - 1;
    uint32_t word = 0;
    int64_t unknown = -1; /* the last unknown letter seen */
    for (int64_t i = block->from; i < block->from + INDEX_WIDTH - 1; i++) {
        word = word << 2 | (codes[i] & 3u);
        if (codes[i] >= UNKNOWN) unknown = i;
    }
    for (int64_t at = block->from; at < block->to; at++) {
        uint8_t code = codes[at + INDEX_WIDTH - 1];
        word = (word << 2 | (code & 3u)) & mask;
        if (code >= UNKNOWN) unknown = at + INDEX_WIDTH - 1;
        uint64_t row = plan->bitmap[word / 64], bit = (uint64_t)1 << word % 64;
        if (!(row & bit)) continue;
        uint32_t k = plan->rank[word / 64] + (uint32_t)__builtin_popcountll(row & (bit - 1));
        for (uint32_t e = plan->first[k]; e < plan->first[k + 1]; e++) {
            entry_t entry = plan->entries[e];
            int length = plan->motifs[entry.key >> 1].length, known = 1;
            if (unknown >= at)
                for (int j = 0; j < length; j++) known &= codes[at + j] < UNKNOWN;
            if (known && !keep(hits, at, entry.key, entry.loss)) return 0;
        }
    }
    return 1;
}

static int before(const hit_t *a, const hit_t *b) {
    return a->position != b->position ? a->position < b->position : a->key < b->key;
}

/* Merge sort by position, motif, strand; `spare` is as long as the hits. */
static void sort_hits(hit_t *items, hit_t *spare, int64_t n) {
    for (int64_t from = 0; from < n; from += 16) /* runs by insertion */
        for (int64_t k = from + 1; k < n && k < from + 16; k++) {
            hit_t moving = items[k];
            int64_t j = k;
            for (; j > from && before(&moving, &items[j - 1]); j--) items[j] = items[j - 1];
            items[j] = moving;
        }
    for (int64_t width = 16; width < n; width *= 2) {
        for (int64_t from = 0; from < n; from += 2 * width) {
            int64_t mid = from + width < n ? from + width : n, end = mid + width < n ? mid + width : n;
            int64_t a = from, b = mid;
            for (int64_t k = from; k < end; k++)
                spare[k] = b >= end || (a < mid && !before(&items[b], &items[a])) ? items[a++] : items[b++];
        }
        memcpy(items, spare, (size_t)n * sizeof *items);
    }
}

/* Write the words of `span` letters that begin at each of n codes; two more codes must follow. */
static inline void spell_words(const uint8_t *restrict from, int64_t n, int span, uint8_t *restrict words) {
    if (span == 3)
        for (int64_t i = 0; i < n; i++)
            words[i] = (uint8_t)((from[i] & 3) << 4 | (from[i + 1] & 3) << 2 | (from[i + 2] & 3));
    else
        for (int64_t i = 0; i < n; i++) words[i] = (uint8_t)((from[i] & 3) << 2 | (from[i + 1] & 3));
}

#if BIOCONV_X86
TARGET_AVX2 static void spell_words_avx2(const uint8_t *restrict from, int64_t n, int span, uint8_t *restrict words) {
    spell_words(from, n, span, words);
}
#endif

static void prepare_block(block_t *block, int64_t n, int longest, int simd, uint8_t *words, uint8_t *alive) {
    const uint8_t *codes = block->codes, *from = codes + block->from;
    int64_t need = block->to - block->from + longest + GROUP, have = n - block->from < need ? n - block->from : need;
#if BIOCONV_X86
    if (simd >= SIMD_AVX2) spell_words_avx2(from, have, block->span, words);
    else
#endif
        spell_words(from, have, block->span, words);
    (void)simd;
    memset(words + have, 0, (size_t)(need - have));
    for (int64_t at = block->from, g = 0; at < block->to; at += GROUP, g++) {
        int64_t i = at, end = at + GROUP < n ? at + GROUP : n;
        while (i < end && codes[i] >= UNKNOWN) i++;
        alive[g] = i < end;
    }
}

/* Find the hits of all motifs among the windows starting in [start, limit).
 *
 * codes: n base codes, followed by at least 16 + longest motif bytes of UNKNOWN.
 * out: at most `capacity` hits, by position, motif, strand. Returns their number and sets *next to where the
 * scan stopped: `limit`, or the first window not yet scanned when the next block's hits would not have
 * fitted. Returns -1 when out of memory, -(needed) - 1 when not even the first block fits. */
int64_t pwm_scan(const plan_t *plan, const uint8_t *codes, int64_t n, int64_t start, int64_t limit, hit_t *out,
                 int64_t capacity, int64_t *next) {
    hits_t hits = {0};
    int64_t written = 0, status = 0;
    uint8_t *words = malloc(BLOCK + (size_t)plan->longest + GROUP), alive[BLOCK / GROUP];
    hit_t *spare = NULL;
    int64_t spare_size = 0;
    if (!words) return -1;
    *next = start;
    for (int64_t from = start; from < limit; from = *next) {
        int64_t to = limit - from > BLOCK ? from + BLOCK : limit;
        block_t block = {codes, words, alive, from, to, plan->strands, plan->span};
        hits.count = 0;
        prepare_block(&block, n, plan->longest, plan->simd, words, alive);
        if (plan->indexed && !scan_index(&block, plan, &hits)) goto fail;
        for (int k = 0; k < plan->scanned; k++)
            if (!scan_motif(plan, &block, plan->scan_order[k], &hits)) goto fail;
        if (written + hits.count > capacity) {
            status = written ? 0 : -hits.count - 1;
            break;
        }
        if (hits.count > spare_size) {
            free(spare);
            spare_size = hits.capacity;
            if (!(spare = malloc((size_t)spare_size * sizeof *spare))) goto fail;
        }
        sort_hits(hits.items, spare, hits.count);
        if (hits.count) memcpy(out + written, hits.items, (size_t)hits.count * sizeof *out);
        written += hits.count;
        *next = to;
    }
    free(words), free(spare), free(hits.items);
    return status ? status : written;
fail:
    free(words), free(spare), free(hits.items);
    return -1;
}

/* Lower best[segment][motif] to the smallest loss of any window of that motif within each segment
 * [starts[s], ends[s]) of the codes, on the plan's strands; windows with an unknown letter do not count. */
void pwm_best(const plan_t *plan, const uint8_t *codes, int64_t segments, const int64_t *starts,
              const int64_t *ends, int32_t *best) {
    for (int64_t s = 0; s < segments; s++)
        for (int m = 0; m < plan->n; m++) {
            const motif_t *motif = &plan->motifs[m];
            int32_t least = best[s * plan->n + m];
            for (int64_t i = starts[s]; i + motif->length <= ends[s]; i++)
                for (int strand = 0; strand < 2; strand++) {
                    if (!(plan->strands >> strand & 1)) continue;
                    const int32_t *losses = motif->losses[strand];
                    int64_t sum = 0;
                    int j = 0;
                    for (; j < motif->length && sum < least && codes[i + j] < UNKNOWN; j++)
                        sum += losses[4 * j + codes[i + j]];
                    if (j == motif->length && sum < least) least = (int32_t)sum;
                }
            best[s * plan->n + m] = least;
        }
}
