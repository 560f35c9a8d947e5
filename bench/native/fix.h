/* What generator and engine both need of FIX: seal a body, build the Logon and the NewOrderSingle, RFC 6238 codes.
 * It knows nothing of sockets, and shares no line with the gateway, so that a codec's bug can't cancel itself. */
#ifndef BENCH_FIX_H
#define BENCH_FIX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ORDER_SIZE 177
#define MESSAGE_MAX 4096

/* Writes 8=FIX.4.4, BodyLength, body, CheckSum; body ends in SOH. Returns the number of bytes. */
static inline int fix_seal(char *out, const char *body, int length) {
    int n = sprintf(out, "8=FIX.4.4\0019=%d\001", length);
    memcpy(out + n, body, length);
    n += length;
    unsigned sum = 0;
    for (int i = 0; i < n; i++) sum += (unsigned char)out[i];
    return n + sprintf(out + n, "10=%03u\001", sum & 255);
}

/* SendingTime: UTC with milliseconds. */
static inline void fix_now(char out[32]) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(out, 32, "%Y%m%d-%H:%M:%S", &utc);
    snprintf(out + n, 32 - n, ".%03ld", now.tv_nsec / 1000000);
}

/* A NewOrderSingle of exactly ORDER_SIZE bytes: ClOrdID takes up what the other fields leave. */
static inline void fix_order(char *out, const char *sender, const char *target, int seq) {
    char body[MESSAGE_MAX], sealed[MESSAGE_MAX], when[32];
    fix_now(when);
    for (int width = 1; width <= 40; width++) {
        int n = sprintf(body, "35=D\00134=%d\00149=%s\00152=%s\00156=%s\00111=%0*d\00121=1\00138=100\00140=2\001"
                        "44=101.25\00154=1\00155=MSFT\00159=0\00160=%s\001",
                        seq, sender, when, target, width, seq, when);
        if (fix_seal(sealed, body, n) != ORDER_SIZE) continue;
        memcpy(out, sealed, ORDER_SIZE);
        return;
    }
    fprintf(stderr, "no ClOrdID makes the order %d bytes: the CompIDs %s/%s are too long\n", ORDER_SIZE, sender, target);
    exit(2);
}

static inline int fix_logon(char *out, const char *sender, const char *target, const char *user, const char *password,
                     const char *code) {
    char body[MESSAGE_MAX], when[32];
    fix_now(when);
    int n = snprintf(body, sizeof body, "35=A\00134=1\00149=%s\00152=%s\00156=%s\00198=0\001108=30\001141=Y\001553=%s\001554=%s\001"
                     "20030=%s\001", sender, when, target, user, password, code);
    return fix_seal(out, body, n);
}

static inline int fix_logout(char *out, const char *sender, const char *target) {
    char body[MESSAGE_MAX], when[32];
    fix_now(when);
    int n = snprintf(body, sizeof body, "35=5\00134=2\00149=%s\00152=%s\00156=%s\001", sender, when, target);
    return fix_seal(out, body, n);
}

/* Length of the whole message at the start of the buffer, 0 when more bytes are needed, -1 when it is not FIX. */
static inline int fix_whole(const char *data, int have) {
    if (have < 20) return 0;
    if (memcmp(data, "8=FIX", 5) != 0) return -1;
    const char *soh = memchr(data, 1, have);
    if (!soh || have - (soh - data) < 12) return 0;
    if (memcmp(soh + 1, "9=", 2) != 0) return -1;
    char *end;
    long length = strtol(soh + 3, &end, 10);
    if (*end != 1 || length < 5 || length > MESSAGE_MAX) return -1;
    long whole = (end + 1 - data) + length + 7;
    return have >= whole ? (int)whole : 0;
}

/* Copies the value of a tag; tag is written as "\00149=". Returns 1 when it is there. */
static inline int fix_field(const char *data, int length, const char *tag, char *out, size_t size) {
    size_t width = strlen(tag);
    const char *at = memmem(data, length, tag, width);
    if (!at) return 0;
    const char *value = at + width, *soh = memchr(value, 1, data + length - value);
    if (!soh || (size_t)(soh - value) >= size) return 0;
    memcpy(out, value, soh - value);
    out[soh - value] = 0;
    return 1;
}

static inline uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* SHA-1 (RFC 3174) of at most 183 bytes: enough for HMAC over a TOTP counter. */
static inline void sha1(const uint8_t *data, size_t length, uint8_t out[20]) {
    uint8_t block[192] = {0};
    size_t blocks = (length + 8) / 64 + 1;
    memcpy(block, data, length);
    block[length] = 0x80;
    for (int i = 0; i < 8; i++) block[blocks * 64 - 1 - i] = (uint64_t)length * 8 >> 8 * i;
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    for (size_t b = 0; b < blocks; b++) {
        uint32_t w[80], v[5];
        for (int i = 0; i < 16; i++) {
            const uint8_t *p = block + b * 64 + i * 4;
            w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20   ? ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5A827999
                         : i < 40 ? (v[1] ^ v[2] ^ v[3]) + 0x6ED9EBA1
                         : i < 60 ? ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8F1BBCDC
                                  : (v[1] ^ v[2] ^ v[3]) + 0xCA62C1D6;
            uint32_t t = rol(v[0], 5) + f + v[4] + w[i];
            v[4] = v[3], v[3] = v[2], v[2] = rol(v[1], 30), v[1] = v[0], v[0] = t;
        }
        for (int i = 0; i < 5; i++) h[i] += v[i];
    }
    for (int i = 0; i < 20; i++) out[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

/* Six digits, 30 s step (RFC 6238 section 4); the key is given in hex, at most 64 bytes. */
static inline void totp(const char *hex, time_t now, char code[8]) {
    uint8_t inner[72] = {0}, outer[84] = {0}, mac[20];
    for (size_t i = 0; i < 64 && hex[2 * i] && hex[2 * i + 1]; i++) {
        unsigned byte = 0;
        sscanf(hex + 2 * i, "%2x", &byte);
        inner[i] = outer[i] = byte;
    }
    for (int i = 0; i < 64; i++) inner[i] ^= 0x36, outer[i] ^= 0x5c;
    uint64_t step = now / 30;
    for (int i = 0; i < 8; i++) inner[71 - i] = step >> 8 * i;
    sha1(inner, 72, outer + 64);
    sha1(outer, 84, mac);
    const uint8_t *p = mac + (mac[19] & 15);
    uint32_t number = ((uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]) & 0x7fffffff;
    snprintf(code, 8, "%06u", number % 1000000);
}

#endif
