/* Base codes for the way to a device: 2 bits a letter, and 1 bit that says it is unknown. */
#include "kernels.h"
#include <string.h>

static uint64_t read_eight(const uint8_t *codes, int64_t have) {
    uint64_t eight = 0x0404040404040404u; /* beyond the end: unknown */
    memcpy(&eight, codes, have < 8 ? (size_t)have : 8);
    return eight;
}

/* letters: (n + 3) / 4 bytes rounded up to 2 per 8 codes, the first code in the lowest bits; unknown ones are 0.
 * unknown: 1 byte per 8 codes, the first code in the lowest bit. Codes above 3 are unknown.
 * Little-endian machines only; the caller checks. */
void pack_codes(const uint8_t *codes, int64_t n, uint8_t *letters, uint8_t *unknown) {
    for (int64_t i = 0; i < n; i += 8) {
        uint64_t eight = read_eight(codes + i, n - i);
        uint64_t high = eight & 0xfcfcfcfcfcfcfcfcu;
        /* Bit 0 of each byte: is any of the bits 2 to 7 set? */
        uint64_t strange = ((high >> 2) + 0x3f3f3f3f3f3f3f3fu) >> 6 & 0x0101010101010101u;
        uint64_t two = eight & 0x0303030303030303u & ~(strange * 3);
        two = (two | two >> 6) & 0x000f000f000f000fu;
        two = (two | two >> 12) & 0x000000ff000000ffu;
        two = two | two >> 24;
        letters[i / 4] = (uint8_t)two;
        letters[i / 4 + 1] = (uint8_t)(two >> 8);
        unknown[i / 8] = (uint8_t)(strange * 0x0102040810204080u >> 56);
    }
}
