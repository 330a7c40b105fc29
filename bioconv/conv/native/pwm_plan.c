/* Matrices made ready for scanning: tables of losses in bytes, words of short motifs listed. See pwm.c. */
#include <stdlib.h>
#include <string.h>

#include "pwm.h"

static void reverse_losses(const int32_t *forward, int length, int32_t *reverse) {
    for (int j = 0; j < length; j++)
        for (int b = 0; b < 4; b++) reverse[j * 4 + b] = forward[(length - 1 - j) * 4 + 3 - b];
}

/* Scale a loss so that the budget becomes BUDGET, rounding down; over the budget alone is out. */
static uint8_t scaled(int64_t loss, int32_t budget) {
    if (loss > budget) return 255;
    return budget ? (uint8_t)(loss * BUDGET / budget) : 0;
}

/* Table of the word of `span` letters over columns [j, j + span); columns beyond the last have no loss. */
static double word_table(const int32_t *losses, int length, int j, int span, int32_t budget, uint8_t *table) {
    double power = 0;
    for (int word = 0; word < 1 << 2 * span; word++) {
        int64_t loss = 0;
        for (int k = 0; k < span && j + k < length; k++) loss += losses[4 * (j + k) + (word >> 2 * (span - 1 - k) & 3)];
        power += table[word] = scaled(loss, budget);
    }
    return power;
}

/* Windows of a group that are still in, on average, where a test for none at all pays: it mostly succeeds. */
static const double FEW = 0.1;

/* Share of random windows still in after the words so far; `mass` is the distribution of the byte sums. */
static double narrow(double *mass, const uint8_t *table, int size) {
    double next[BUDGET + 1] = {0}, total = 0;
    int uses[256] = {0};
    for (int word = 0; word < size; word++) uses[table[word]]++;
    for (int step = 0; step <= BUDGET; step++) {
        if (!uses[step]) continue;
        double share = (double)uses[step] / size;
        for (int s = 0; s + step <= BUDGET; s++) next[s + step] += mass[s] * share;
    }
    for (int s = 0; s <= BUDGET; s++) total += mass[s] = next[s];
    return total;
}

/* Both strands take their words at the same places, so that one load of words serves the two. */
static void build_motif(motif_t *motif, int span, uint8_t *tables, int32_t *offsets) {
    int length = motif->length, steps = motif->steps, size = 1 << 2 * span;
    double power[steps];
    int order[steps];
    uint8_t built[steps][128];
    for (int p = 0; p < steps; p++) {
        power[p] = 0;
        for (int strand = 0; strand < 2; strand++)
            power[p] += word_table(motif->losses[strand], length, span * p, span, motif->budget, built[p] + size * strand);
        order[p] = p;
        for (int k = p; k > 0 && power[order[k - 1]] < power[order[k]]; k--) {
            int swap = order[k];
            order[k] = order[k - 1], order[k - 1] = swap;
        }
    }
    double mass[2][BUDGET + 1] = {{1.0}, {1.0}};
    motif->prune = steps;
    for (int k = 0; k < steps; k++) {
        const uint8_t *table = memcpy(tables + 2 * size * k, built[order[k]], (size_t)(2 * size));
        offsets[k] = span * order[k];
        if (motif->prune < steps) continue;
        double left = GROUP * (narrow(mass[0], table, size) + narrow(mass[1], table + size, size));
        if (left < FEW) motif->prune = k + 1;
    }
    motif->tables = tables;
    motif->offsets = offsets;
}

/* Visit every word of INDEX_WIDTH letters whose first `length` letters are within budget. */
static int64_t visit_words(const int32_t *losses, int length, int32_t budget, int32_t key, plan_t *plan) {
    int64_t words = 0;
    int depth = 0, letter[INDEX_WIDTH + 1] = {0};
    int64_t loss[INDEX_WIDTH + 1] = {0};
    uint32_t code[INDEX_WIDTH + 1] = {0};
    while (depth >= 0) {
        if (letter[depth] == 4) {
            letter[depth--] = 0;
            if (depth >= 0) letter[depth]++;
            continue;
        }
        int b = letter[depth];
        int64_t sum = loss[depth] + losses[4 * depth + b];
        if (sum > budget) {
            letter[depth]++;
            continue;
        }
        uint32_t word = code[depth] << 2 | (uint32_t)b;
        if (depth + 1 < length) {
            depth++;
            loss[depth] = sum, code[depth] = word;
            continue;
        }
        uint32_t span = 1u << 2 * (INDEX_WIDTH - length), from = word * span;
        words += span;
        for (uint32_t w = from; plan && w < from + span; w++) {
            if (plan->entries) plan->entries[plan->first[w]++] = (entry_t){key, (int32_t)sum};
            else plan->first[w]++;
        }
        letter[depth]++;
    }
    return words;
}

static int is_indexable(const motif_t *motif) { return motif->length <= INDEX_WIDTH && motif->budget >= 0; }

static void visit_motifs(plan_t *plan) {
    for (int m = 0; m < plan->n; m++)
        for (int strand = 0; strand < 2 && is_indexable(&plan->motifs[m]); strand++)
            if (plan->strands >> strand & 1)
                visit_words(plan->motifs[m].losses[strand], plan->motifs[m].length, plan->motifs[m].budget,
                            2 * m + strand, plan);
}

/* List the words of all short motifs; keep only the words that occur (bitmap and rank). 0: out of memory. */
static int build_index(plan_t *plan, int64_t entries) {
    const uint32_t words = 1u << 2 * INDEX_WIDTH;
    uint32_t *counts = calloc(words + 1, sizeof *counts);
    entry_t *list = malloc((size_t)(entries + 1) * sizeof *list);
    plan->bitmap = calloc(words / 64, sizeof *plan->bitmap);
    plan->rank = malloc(words / 64 * sizeof *plan->rank);
    if (!counts || !list || !plan->bitmap || !plan->rank) {
        free(counts), free(list);
        return 0;
    }
    plan->first = counts;
    visit_motifs(plan);
    uint32_t occurring = 0, total = 0;
    for (uint32_t w = 0; w < words; w++) {
        uint32_t count = counts[w];
        if (w % 64 == 0) plan->rank[w / 64] = occurring;
        if (count) plan->bitmap[w / 64] |= (uint64_t)1 << w % 64, occurring++;
        counts[w] = total;
        total += count;
    }
    plan->entries = list;
    visit_motifs(plan); /* counts[w] becomes the end of word w's entries */
    uint32_t *first = malloc((occurring + 1) * sizeof *first);
    if (first) {
        uint32_t k = 0;
        first[0] = 0;
        for (uint32_t w = 0; w < words; w++)
            if (plan->bitmap[w / 64] >> w % 64 & 1) first[++k] = counts[w];
    }
    free(counts);
    plan->first = first;
    return first != NULL;
}

void pwm_plan_free(plan_t *plan) {
    if (!plan) return;
    for (int k = 0; k < 4; k++) free(plan->memory[k]);
    free(plan->bitmap), free(plan->rank), free(plan->first), free(plan->entries);
    free(plan->motifs), free(plan->scan_order), free(plan);
}

/* losses: [sum of lengths][4]; budgets: -1 where nothing can be a hit; simd: the most to use (kernels.h).
 * NULL: out of memory. */
plan_t *pwm_plan(int n, const int32_t *lengths, const int32_t *losses, const int32_t *budgets, int strands, int simd) {
    int64_t columns = 0, steps = 0, entries = 0;
    int short_motifs = 0, available = bioconv_simd_level();
    if (simd > available) simd = available;
    int span = simd >= SIMD_VBMI ? 3 : 2;
    for (int m = 0; m < n; m++) columns += lengths[m], steps += (lengths[m] + span - 1) / span;
    plan_t *plan = calloc(1, sizeof *plan);
    if (!plan) return NULL;
    plan->n = n, plan->strands = strands, plan->simd = simd, plan->span = span;
    plan->motifs = calloc((size_t)n + 1, sizeof *plan->motifs);
    plan->scan_order = malloc(((size_t)n + 1) * sizeof *plan->scan_order);
    int32_t *forward = plan->memory[0] = malloc((size_t)columns * 16 + 16);
    int32_t *reverse = plan->memory[1] = malloc((size_t)columns * 16 + 16);
    uint8_t *tables = plan->memory[2] = malloc((size_t)steps * (2 << 2 * span) + 1);
    int32_t *offsets = plan->memory[3] = malloc((size_t)steps * 4 + 4);
    if (!plan->motifs || !plan->scan_order || !forward || !reverse || !tables || !offsets) goto fail;
    memcpy(forward, losses, (size_t)columns * 16);
    for (int m = 0; m < n; m++) {
        motif_t *motif = &plan->motifs[m];
        *motif = (motif_t){.length = lengths[m], .budget = budgets[m], .losses = {forward, reverse}};
        motif->steps = (lengths[m] + span - 1) / span;
        reverse_losses(forward, lengths[m], reverse);
        forward += 4 * lengths[m], reverse += 4 * lengths[m];
        if (lengths[m] > plan->longest) plan->longest = lengths[m];
        if (!is_indexable(motif)) continue;
        short_motifs++;
        for (int strand = 0; strand < 2; strand++)
            if (strands >> strand & 1 && entries <= INDEX_ENTRIES)
                entries += visit_words(motif->losses[strand], motif->length, motif->budget, 0, NULL);
    }
    plan->indexed = short_motifs >= INDEX_MOTIFS && entries <= INDEX_ENTRIES ? short_motifs : 0;
    if (plan->indexed && !build_index(plan, entries)) goto fail;
    for (int m = 0; m < n; m++) {
        motif_t *motif = &plan->motifs[m];
        if (motif->budget < 0 || (plan->indexed && is_indexable(motif))) continue;
        build_motif(motif, span, tables, offsets);
        tables += motif->steps * (2 << 2 * span), offsets += motif->steps;
        plan->scan_order[plan->scanned++] = m;
    }
    return plan;
fail:
    pwm_plan_free(plan);
    return NULL;
}
