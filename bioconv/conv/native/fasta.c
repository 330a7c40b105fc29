/* FASTA text to base codes, block by block. */
#include <string.h>

#include "kernels.h"

enum { AMBIGUOUS = 5, FOREIGN = 6, BLANK = 7, BAD = 8 }; /* byte classes beyond the base codes 0..4 */
enum { DONE = 0, BAD_BYTE = 1, NO_HEADER = 2, TABLE_FULL = 3 };

typedef struct {
    int64_t consumed;  /* bytes of the block taken; the rest belongs before the next block */
    int64_t produced;  /* codes written */
    int64_t records;   /* headers met in this block */
    int64_t lines;     /* line breaks passed, over all blocks */
    int64_t ambiguous; /* IUPAC letters other than ACGTUN, over all blocks */
    int64_t foreign;   /* letters that are no nucleotide code, over all blocks */
    int32_t mid_line;  /* the last block ended inside a sequence line */
    int32_t in_record; /* a header has been met */
} fasta_t;

/* Decode one stretch of a line; returns the number of codes written, or -1 with *bad at the offending byte. */
static int64_t decode_scalar(const uint8_t *in, int64_t n, const uint8_t *classes, uint8_t *out, fasta_t *state,
                             int64_t *bad) {
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        uint8_t kind = classes[in[i]];
        if (kind <= UNKNOWN) out[k++] = kind;
        else if (kind == BLANK) continue;
        else if (kind == BAD) {
            *bad = i;
            return -1;
        } else {
            out[k++] = UNKNOWN;
            if (kind == AMBIGUOUS) state->ambiguous++;
            else state->foreign++;
        }
    }
    return k;
}

#if BIOCONV_X86
/* 32 letters at once where all are ACGTUN in either case; 0 where not. */
TARGET_AVX2 static inline int decode_vector(const uint8_t *in, uint8_t *out) {
    const __m256i code = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(4, 0, 4, 1, 3, 3, 4, 2, 4, 4, 4, 4, 4, 4, 4, 4)); /* by low nibble: A1 C3 T4 U5 G7 NE */
    const __m256i letter = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-1, 'A', -1, 'C', 'T', 'U', -1, 'G', -1, -1, -1, -1, -1, -1, 'N', -1));
    __m256i upper = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)in), _mm256_set1_epi8((char)0xDF));
    __m256i nibble = _mm256_and_si256(upper, _mm256_set1_epi8(15));
    __m256i known = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(letter, nibble), upper);
    if (_mm256_movemask_epi8(known) != -1) return 0;
    _mm256_storeu_si256((__m256i *)out, _mm256_shuffle_epi8(code, nibble));
    return 1;
}

TARGET_AVX2 static int64_t decode_avx2(const uint8_t *in, int64_t n, const uint8_t *classes, uint8_t *out,
                                       fasta_t *state, int64_t *bad) {
    int64_t i = 0, k = 0;
    while (i < n) {
        if (n - i >= 32 && decode_vector(in + i, out + k)) {
            i += 32, k += 32;
            continue;
        }
        if (n - i < 32 && k == i && i >= 32 && decode_vector(in + n - 32, out + n - 32)) return n;
        int64_t step = n - i < 32 ? n - i : 32, written = decode_scalar(in + i, step, classes, out + k, state, bad);
        if (written < 0) {
            *bad += i;
            return -1;
        }
        i += step, k += written;
    }
    return k;
}
#endif

/* Decode a block of n bytes. classes: what each byte is. simple: lower case needs no care, so that vectors may
 * be used. out: at least n + 1 codes; each record after the first is preceded by one UNKNOWN, which no window
 * can cross. table: [capacity][3], per header its start and end in the block and the place of its first code.
 * final: the block is the last. Returns DONE, or what is wrong, with `consumed` at the offending byte. */
int fasta_decode(const uint8_t *in, int64_t n, const uint8_t *classes, int simple, int final, uint8_t *out,
                 int64_t *table, int64_t capacity, fasta_t *state) {
    int64_t i = 0, k = 0;
    int use_vectors = simple && bioconv_simd_level(), status = DONE;
    state->records = 0;
    while (i < n && status == DONE) {
        const uint8_t *line = memchr(in + i, '\n', (size_t)(n - i));
        int64_t end = line ? line - in : n, bad = 0;
        if (!state->mid_line && (in[i] == '>' || in[i] == ';')) {
            if (!line && !final) break;
            if (in[i] == '>') {
                if (state->records == capacity) {
                    status = TABLE_FULL;
                    break;
                }
                if (state->in_record) out[k++] = UNKNOWN;
                int64_t *row = table + 3 * state->records++;
                row[0] = i + 1, row[1] = end, row[2] = k;
                state->in_record = 1;
            }
        } else {
            int64_t stop = end;
            while (stop > i && (in[stop - 1] == '\r' || in[stop - 1] == ' ')) stop--;
            if (!state->in_record) {
                int64_t first = i;
                while (first < stop && classes[in[first]] == BLANK) first++;
                if (first < stop) {
                    status = NO_HEADER;
                    break;
                }
            }
            int64_t written;
#if BIOCONV_X86
            if (use_vectors) written = decode_avx2(in + i, stop - i, classes, out + k, state, &bad);
            else
#endif
                written = decode_scalar(in + i, stop - i, classes, out + k, state, &bad);
            (void)use_vectors;
            if (written < 0) {
                i += bad;
                status = BAD_BYTE;
                break;
            }
            k += written;
            state->mid_line = line == NULL;
        }
        i = line ? end + 1 : n;
        state->lines += line != NULL;
    }
    state->consumed = i, state->produced = k;
    return status;
}
