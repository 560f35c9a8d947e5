/* The few AMQP 0-9-1 methods that a generator needs: written into a buffer, read from a stream of frames.
 * It shares no line with the gateway nor with a client library, so that a codec's bug can't cancel itself. */
#ifndef BENCH_AMQP_H
#define BENCH_AMQP_H

#include <endian.h>
#include <stdarg.h>

#include "conn.h"

#define METHOD(class, number) ((uint32_t)(class) << 16 | (number))
#define START METHOD(10, 10)
#define START_OK METHOD(10, 11)
#define TUNE METHOD(10, 30)
#define TUNE_OK METHOD(10, 31)
#define OPEN METHOD(10, 40)
#define OPEN_OK METHOD(10, 41)
#define CLOSE METHOD(10, 50)
#define CLOSE_OK METHOD(10, 51)
#define CHANNEL_OPEN METHOD(20, 10)
#define CHANNEL_OPEN_OK METHOD(20, 11)
#define CHANNEL_CLOSE METHOD(20, 40)
#define DECLARE METHOD(50, 10)
#define DECLARE_OK METHOD(50, 11)
#define PURGE METHOD(50, 30)
#define PURGE_OK METHOD(50, 31)
#define QOS METHOD(60, 10)
#define QOS_OK METHOD(60, 11)
#define CONSUME METHOD(60, 20)
#define CONSUME_OK METHOD(60, 21)
#define PUBLISH METHOD(60, 40)
#define DELIVER METHOD(60, 60)
#define ACK METHOD(60, 80)
#define SELECT METHOD(85, 10)
#define SELECT_OK METHOD(85, 11)

#define FRAME_MAX 131072
#define BUFFER (2 * FRAME_MAX)
#define DECLARE_PASSIVE 1
#define DECLARE_EXCLUSIVE 12 /* exclusive, auto-delete */
#define CONSUME_NO_ACK 2
#define ACK_MULTIPLE 1
#define CORRELATION_SIZE 16

struct amqp {
    struct conn c;
    char *buffer, *body; /* what is read and not yet parsed; the body of the last delivery */
    int have, at;
    size_t body_room;
    char why[320];
};

struct frame {
    int type, size;
    const unsigned char *payload; /* valid until the next frame is read */
};

struct delivery {
    uint64_t tag, size;
    char correlation[256], reply_to[256];
    const char *body; /* valid until the next delivery */
};

/* Writers return the place behind what they wrote. */
static char *put8(char *p, unsigned v) { return *p = (char)v, p + 1; }
static char *put16(char *p, unsigned v) { return put8(put8(p, v >> 8), v); }
static char *put32(char *p, uint32_t v) { return put16(put16(p, v >> 16), v & 0xffff); }
static char *put64(char *p, uint64_t v) { return put32(put32(p, (uint32_t)(v >> 32)), (uint32_t)v); }
static char *put_raw(char *p, const char *data, size_t n) { return memcpy(p, data, n), p + n; }
static char *put_short(char *p, const char *text) { return put_raw(put8(p, (unsigned)strlen(text)), text, strlen(text)); }
static char *put_head(char *p, int type, int channel, uint32_t size) { return put32(put16(put8(p, type), channel), size); }

/* A method's arguments: 1, 2, 4, 8 are numbers of that many bytes, s a short string, t an empty table. */
static char *put_method(char *p, int channel, uint32_t method, const char *shape, ...) {
    char *start = p;
    va_list rest;
    p = put32(p + 7, method);
    va_start(rest, shape);
    for (; *shape; shape++) switch (*shape) {
        case '1': p = put8(p, va_arg(rest, unsigned)); break;
        case '2': p = put16(p, va_arg(rest, unsigned)); break;
        case '4': p = put32(p, va_arg(rest, uint32_t)); break;
        case '8': p = put64(p, va_arg(rest, uint64_t)); break;
        case 't': p = put32(p, 0); break;
        default: p = put_short(p, va_arg(rest, const char *));
    }
    va_end(rest);
    put_head(start, 1, channel, (uint32_t)(p - start - 7));
    return put8(p, 0xCE);
}

/* basic.publish on channel 1 with the properties that M7's clients send; reply_to "" leaves all but correlation_id out. */
static char *put_message(char *p, const char *exchange, const char *key, const char *correlation, const char *reply_to,
                         const char *user, const char *app, const char *body, size_t size) {
    char *start = put_method(p, 1, PUBLISH, "2ss1", 0, exchange, key, 0);
    int whole = *reply_to != 0;
    p = put64(put16(put16(start + 7, 60), 0), size);
    p = put16(p, whole ? 0x8000 | 0x0400 | 0x0200 | 0x0010 | 0x0008 : 0x0400);
    if (whole) p = put_short(p, "x-m7/request; version=6.0");
    p = put_short(p, correlation);
    if (whole) p = put_short(put_short(put_short(p, reply_to), user), app);
    put_head(start, 2, 1, (uint32_t)(p - start - 7));
    p = put8(p, 0xCE);
    for (size_t done = 0, part; done < size; done += part) {
        part = size - done < FRAME_MAX - 8 ? size - done : FRAME_MAX - 8;
        p = put8(put_raw(put_head(p, 3, 1, (uint32_t)part), body + done, part), 0xCE);
    }
    return p;
}

static unsigned get16(const unsigned char *p) { return p[0] << 8 | p[1]; }
static uint32_t get32(const unsigned char *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }
static uint64_t get64(const unsigned char *p) { return (uint64_t)get32(p) << 32 | get32(p + 4); }

static const unsigned char *get_short(const unsigned char *p, char *out) {
    memcpy(out, p + 1, p[0]);
    out[p[0]] = 0;
    return p + 1 + p[0];
}

/* A delivered header's correlation_id and reply_to; content_type may stand before them, headers may not. */
static void get_properties(const unsigned char *p, struct delivery *d) {
    char text[256];
    unsigned flags = get16(p);
    p += 2;
    if (flags & 0x8000) p = get_short(p, text);
    if (flags & 0x4000) p = get_short(p, text);
    if (flags & 0x2000) p += 4 + get32(p);
    if (flags & 0x1000) p++;
    if (flags & 0x0800) p++;
    d->correlation[0] = d->reply_to[0] = 0;
    if (flags & 0x0400) p = get_short(p, d->correlation);
    if (flags & 0x0200) get_short(p, d->reply_to);
}

static int failed(struct amqp *a, const char *shape, ...) {
    va_list rest;
    va_start(rest, shape);
    vsnprintf(a->why, sizeof a->why, shape, rest);
    va_end(rest);
    for (char *c = a->why; *c; c++)
        if (*c < ' ' || *c == '"' || *c == '\\') *c = '\''; /* it ends up inside a JSON string */
    return 0;
}

static int amqp_send(struct amqp *a, const char *from, const char *to) {
    return send_all(&a->c, from, (int)(to - from)) || failed(a, "the line broke while sending");
}

/* The next frame, heartbeats aside. Returns 0 and says why when the line broke or the bytes are no frame. */
static int next_frame(struct amqp *a, struct frame *f) {
    for (;;) {
        const unsigned char *p = (unsigned char *)a->buffer + a->at;
        int left = a->have - a->at;
        if (left >= 8) {
            uint32_t size = get32(p + 3);
            if (size > FRAME_MAX) return failed(a, "not a frame: %02x %02x %02x", p[0], p[1], p[2]);
            if (left >= (int)size + 8) {
                if (p[size + 7] != 0xCE) return failed(a, "a frame without its end");
                a->at += (int)size + 8;
                *f = (struct frame){p[0], (int)size, p + 7};
                if (f->type != 8) return 1;
                continue;
            }
        }
        if (a->at) memmove(a->buffer, p, left), a->have = left, a->at = 0;
        int n = conn_recv(&a->c, a->buffer + a->have, BUFFER - a->have);
        if (n <= 0) return failed(a, n ? "nothing came for 10 s, or the line broke" : "the line was closed");
        a->have += n;
    }
}

/* The next frame must be this method. A close says code and text instead. */
static int await(struct amqp *a, uint32_t method, struct frame *f) {
    if (!next_frame(a, f)) return 0;
    uint32_t got = f->type == 1 ? get32(f->payload) : 0;
    if (got == method) return 1;
    if (got == CLOSE || got == CHANNEL_CLOSE) {
        char text[256];
        get_short(f->payload + 6, text);
        return failed(a, "closed: %u %s", get16(f->payload + 4), text);
    }
    return failed(a, "method %u.%u or frame type %d came instead of %u.%u", got >> 16, got & 0xffff, f->type, method >> 16,
                  method & 0xffff);
}

/* A whole delivery: method, header and body frames. */
static int next_delivery(struct amqp *a, struct delivery *d) {
    struct frame f;
    if (!await(a, DELIVER, &f)) return 0;
    d->tag = get64(f.payload + 5 + f.payload[4]);
    if (!next_frame(a, &f) || f.type != 2) return failed(a, "a delivery without a header");
    d->size = get64(f.payload + 4);
    get_properties(f.payload + 12, d);
    if (d->size + 1 > a->body_room) a->body = realloc(a->body, a->body_room = d->size + 1);
    for (uint64_t got = 0; got < d->size; got += f.size) {
        if (!next_frame(a, &f) || f.type != 3 || got + f.size > d->size) return failed(a, "a delivery without its body");
        memcpy(a->body + got, f.payload, f.size);
    }
    a->body[d->size] = 0;
    d->body = a->body;
    return 1;
}

static int shake_hands(struct amqp *a, const char *user, const char *password) {
    static const char header[8] = "AMQP\0\0\x09\x01";
    char out[1024], *p, response[256];
    struct frame f;
    if (!amqp_send(a, header, header + 8) || !await(a, START, &f)) return 0;
    int n = snprintf(response, sizeof response, "%c%s%c%s", 0, user, 0, password);
    p = put_short(put32(put32(out + 7, START_OK), 0), "PLAIN");
    p = put_short(put_raw(put32(p, n), response, n), "en_US");
    put_head(out, 1, 0, (uint32_t)(p - out - 7));
    if (!amqp_send(a, out, put8(p, 0xCE)) || !await(a, TUNE, &f)) return 0;
    p = put_method(out, 0, TUNE_OK, "242", get16(f.payload + 4), FRAME_MAX, get16(f.payload + 10));
    p = put_method(p, 0, OPEN, "ss1", "app", "", 0);
    if (!amqp_send(a, out, p) || !await(a, OPEN_OK, &f)) return 0;
    return amqp_send(a, out, put_method(out, 1, CHANNEL_OPEN, "s", "")) && await(a, CHANNEL_OPEN_OK, &f);
}

/* Connected, authenticated, vhost "app" and channel 1 open. `straight`: plain, to the broker itself. */
static int amqp_open(struct amqp *a, int port, int straight, const char *user, const char *password) {
    a->have = a->at = 0;
    if (!a->buffer) a->buffer = malloc(BUFFER), a->body = malloc(a->body_room = 4096);
    if (!(straight ? conn_dial : conn_open)(&a->c, port)) return failed(a, "no connection: %s", strerror(errno));
    return shake_hands(a, user, password);
}

/* Sends one method on channel 1 and awaits its answer. */
#define CALL(a, f, answer, ...)                                              \
    ({                                                                       \
        char call_out[1024];                                                 \
        amqp_send(a, call_out, put_method(call_out, 1, __VA_ARGS__)) && await(a, answer, f); \
    })

/* Closes in AMQP's way, so that broker and gateway see a logout and not a lost line; what still comes is dropped. */
static void amqp_close(struct amqp *a) {
    char out[64];
    struct frame f;
    if (amqp_send(a, out, put_method(out, 0, CLOSE, "2s22", 200, "", 0, 0)))
        while (next_frame(a, &f) && !(f.type == 1 && get32(f.payload) == CLOSE_OK)) {}
    conn_close(&a->c);
}

#endif
