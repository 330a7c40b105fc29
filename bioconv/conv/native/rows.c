/* Rows of text from columns of numbers, by a small program: one instruction per field or literal. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"

typedef struct {
    const char *bytes;
    const int64_t *offsets; /* n + 1 */
} text_t;

typedef struct {
    int64_t n;
    const int32_t *record, *motif, *detail; /* indices into the texts below */
    const int64_t *start, *end;             /* 0-based half-open */
    const int8_t *strand;                   /* +1 or -1 */
    const double *score, *p, *q;            /* NaN is written as nothing */
    text_t matched, records, motifs, details, literals;
} rows_t;

enum { LITERAL, RECORD, MOTIF, DETAIL, START, END, STRAND, SCORE, P, Q, TEN_LOG_P, MATCHED };

static char *put_text(char *to, const text_t *text, int64_t k) {
    size_t length = (size_t)(text->offsets[k + 1] - text->offsets[k]);
    memcpy(to, text->bytes + text->offsets[k], length);
    return to + length;
}

static char *put_integer(char *to, int64_t value) {
    char digits[24];
    int n = 0;
    uint64_t rest = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    do digits[n++] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) *to++ = '-';
    while (n) *to++ = digits[--n];
    return to;
}

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* floor(log10(size)), or one off where size is next to a power of ten; anything for 0, tiny and infinite sizes. */
static int ten_exponent(double size) {
    uint64_t bits;
    memcpy(&bits, &size, sizeof bits);
    int e = (((int)(bits >> 52) - 1023) * 78913) >> 18; /* times log10 2, rounded down: may be 1 too low */
    if (e < -22 || e >= 22) return e;
    return e + (e + 1 >= 0 ? size >= POWERS[e + 1] : size * POWERS[-e - 1] >= 1);
}

/* printf's %.{digits}g, several times faster; where the last digit is in doubt printf decides. */
static char *put_general(char *to, double value, int digits) {
    if (isnan(value)) return to;
    double size = fabs(value);
    int e = ten_exponent(size), shift = digits - 1 - e;
    double scaled = shift >= 0 && shift <= 22 ? size * POWERS[shift] : shift < 0 && shift >= -22 ? size / POWERS[-shift] : -1;
    if (size == 0 || !(scaled >= POWERS[digits - 1] && scaled < POWERS[digits] - 1))
        return to + snprintf(to, 32, "%.*g", digits, value);
    int64_t figures = (int64_t)scaled;
    double rest = scaled - (double)figures;
    if (fabs(rest - 0.5) < 1e-6) return to + snprintf(to, 32, "%.*g", digits, value);
    figures += rest > 0.5;
    char text[24];
    int n = digits;
    for (int k = digits - 1; k >= 0; k--, figures /= 10) text[k] = (char)('0' + figures % 10);
    while (n > 1 && text[n - 1] == '0') n--;
    if (value < 0) *to++ = '-';
    if (e < -4 || e >= digits) {
        *to++ = text[0];
        if (n > 1) *to++ = '.';
        memcpy(to, text + 1, (size_t)n - 1);
        to += n - 1;
        *to++ = 'e', *to++ = e < 0 ? '-' : '+';
        if (e < 10 && e > -10) *to++ = '0';
        return put_integer(to, e < 0 ? -e : e);
    }
    if (e < 0) {
        *to++ = '0', *to++ = '.';
        for (int k = -1; k > e; k--) *to++ = '0';
        memcpy(to, text, (size_t)n);
        return to + n;
    }
    for (int k = 0; k < n || k <= e; k++) {
        if (k == e + 1) *to++ = '.';
        *to++ = k < n ? text[k] : '0';
    }
    return to;
}

/* min(1000, -10 log10 p), as BED and GFF3 scores are written. */
static char *put_ten_log(char *to, double p) {
    double score = p > 0 ? -10 * log10(p) : 1000;
    return put_general(to, score > 1000 ? 1000 : score <= 0 ? 0 : score, 4);
}

/* Write rows [from, to); program: (instruction, argument) pairs. `out` must be large enough: the caller adds up
 * the texts and allows 32 bytes per number. Returns the bytes written. */
int64_t rows_format(const rows_t *rows, int64_t from, int64_t to, const int32_t *program, int steps, char *out) {
    char *at = out;
    for (int64_t r = from; r < to; r++)
        for (int s = 0; s < steps; s++) {
            int argument = program[2 * s + 1];
            switch (program[2 * s]) {
            case LITERAL: at = put_text(at, &rows->literals, argument); break;
            case RECORD: at = put_text(at, &rows->records, rows->record[r]); break;
            case MOTIF: at = put_text(at, &rows->motifs, rows->motif[r]); break;
            case DETAIL: at = put_text(at, &rows->details, rows->detail[r]); break;
            case START: at = put_integer(at, rows->start[r] + argument); break;
            case END: at = put_integer(at, rows->end[r] + argument); break;
            case STRAND: *at++ = rows->strand[r] > 0 ? '+' : '-'; break;
            case SCORE: at = put_general(at, rows->score[r], 6); break;
            case P: at = put_general(at, rows->p[r], 3); break;
            case Q: at = put_general(at, rows->q[r], 3); break;
            case TEN_LOG_P:
                if (argument) at = put_integer(at, (int64_t)(rows->p[r] > 0 ? fmin(1000, fmax(0, floor(-10 * log10(rows->p[r]) + 0.5))) : 1000));
                else at = put_ten_log(at, rows->p[r]);
                break;
            case MATCHED: at = put_text(at, &rows->matched, r); break;
            default: break;
            }
        }
    return at - out;
}
