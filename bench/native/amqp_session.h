/* What all AMQP loads share: the options, the logged-in connections of the workers, the orders, the way straight to the broker. */
#ifndef BENCH_AMQP_SESSION_H
#define BENCH_AMQP_SESSION_H

#include <pthread.h>

#include "amqp.h"

#define ORDERS "bench.orders" /* where the requests of all users go */
#define CONNS_MAX 64

struct worker {
    struct amqp a;
    pthread_t thread;
    const struct login *who;
    char queue[128], exchange[96], filled[144];
    long done, samples;
    double end;
    float *micros;
    int ok;
};

static struct login *logins;
static int login_count, port, broker, conns = 1, window = 500, threads = 8;
static double seconds = 1.0, start;
static long count = 20000, size = 256;
static char steps[64] = "100", admin[64] = "guest", admin_password[64] = "guest";
static struct worker workers[CONNS_MAX];
static struct amqp straight; /* to the broker itself */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    printf("{\"error\": \"%s\"}\n", what);
    exit(1);
}

static void read_logins(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail("the login file can't be read");
    logins = calloc(100000, sizeof *logins);
    struct login *w = logins;
    while (login_count < 100000 && fscanf(file, "%31s %31s %63s %63s %131s", w->sender, w->target, w->user, w->password, w->key) == 5)
        w = logins + ++login_count;
    fclose(file);
}

static void await_line(void) {
    char line[16];
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) exit(0);
}

/* Ends only when the reader closes our standard input. */
static void await_end(void) {
    char line[16];
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {}
}

/* Connect, declare and consume the private queue, LoginReq with a fresh code, await the good answer. */
static int log_in(struct amqp *a, const struct login *who, char *queue, size_t room) {
    char out[2048], body[512], code[8], exchange[96];
    struct frame f;
    struct delivery d;
    snprintf(queue, room, "m7.private.responseQueue.%s.bench%d", who->user, (int)getpid());
    snprintf(exchange, sizeof exchange, "m7.requestExchange.%s", who->user);
    if (!amqp_open(a, port, 0, who->user, who->password)) return 0;
    if (!CALL(a, &f, DECLARE_OK, DECLARE, "2s1t", 0, queue, DECLARE_EXCLUSIVE)) return 0;
    if (!CALL(a, &f, CONSUME_OK, CONSUME, "2ss1t", 0, queue, "answers", CONSUME_NO_ACK)) return 0;
    totp(who->key, time(NULL), code);
    int n = snprintf(body, sizeof body, "<LoginReq xmlns=\"http://www.deutsche-boerse.com/m7/v6\" user=\"%s\" force=\"true\" "
                     "authVerificationCode=\"%s\"/>", who->user, code);
    char *p = put_message(out, exchange, "m7.request.inquiry", "login", queue, who->user, who->sender, body, n);
    if (!amqp_send(a, out, p) || !next_delivery(a, &d)) return 0;
    return strstr(d.body, "UserRprt") ? 1 : failed(a, "refused: %s", d.body);
}

/* A code may cross the border of its 30 s on the way: a refused login is tried again, three times in all. */
static int logged_in(struct amqp *a, const struct login *who, char *queue, size_t room) {
    for (int try = 0; try < 3; try++) {
        if (log_in(a, who, queue, room)) return 1;
        conn_close(&a->c);
        sleep(1);
    }
    return 0;
}

/* An order as M7's clients send it: XML of `size` bytes, a comment takes up what is left. */
static char *order(void) {
    static const char head[] = "<OrdrEntry xmlns=\"http://www.deutsche-boerse.com/m7/v6\"><OrdrList><Ordr side=\"BUY\" px=\"10125\" "
                               "qty=\"1000\" type=\"O\" prodName=\"Intraday_Hourly\"/></OrdrList><!--", tail[] = "--></OrdrEntry>";
    if (size < (long)(sizeof head + sizeof tail)) fail("size is too small for an order");
    char *body = malloc(size);
    memset(body, '.', size);
    memcpy(body, head, sizeof head - 1);
    memcpy(body + size - (sizeof tail - 1), tail, sizeof tail - 1);
    return body;
}

static char *put_order(char *p, const struct worker *w, const char *correlation, const char *body) {
    return put_message(p, w->exchange, "m7.request.management", correlation, w->queue, w->who->user, w->who->sender, body, size);
}

static void each(void *(*work)(void *), int n) {
    for (int i = 0; i < n; i++) pthread_create(&workers[i].thread, NULL, work, workers + i);
    for (int i = 0; i < n; i++) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < n; i++)
        if (!workers[i].ok) fail(workers[i].a.why);
}

static void *enter(void *argument) {
    struct worker *w = argument;
    w->ok = logged_in(&w->a, w->who, w->queue, sizeof w->queue);
    return NULL;
}

static void *leave(void *argument) {
    struct worker *w = argument;
    amqp_close(&w->a);
    return NULL;
}

static void enter_all(void) {
    if (conns > CONNS_MAX || conns > login_count) fail("too many connections");
    for (int i = 0; i < conns; i++) {
        workers[i].who = logins + i;
        snprintf(workers[i].exchange, sizeof workers[i].exchange, "m7.requestExchange.%s", logins[i].user);
    }
    each(enter, conns);
}

static void ready(void) {
    printf("{\"ready\": %d}\n", conns);
    await_line();
    start = now();
}

static double last_end(void) {
    double end = start;
    for (int i = 0; i < conns; i++) end = workers[i].end > end ? workers[i].end : end;
    return end;
}

static long all_done(void) {
    long n = 0;
    for (int i = 0; i < conns; i++) n += workers[i].done;
    return n;
}

static void go_straight(void) {
    if (!amqp_open(&straight, broker, 1, admin, admin_password)) fail(straight.why);
}

static void purge(void) {
    struct frame f;
    if (!CALL(&straight, &f, PURGE_OK, PURGE, "2s1", 0, ORDERS, 0)) fail(straight.why);
}

/* How many messages wait in a queue: a passive declare, over a connection that may see the queue. */
static uint32_t waiting(struct amqp *a, const char *queue) {
    struct frame f;
    if (!CALL(a, &f, DECLARE_OK, DECLARE, "2s1t", 0, queue, DECLARE_PASSIVE)) fail(a->why);
    return get32(f.payload + 5 + f.payload[4]);
}

/* Messages of `size` bytes straight into a private queue, through the default exchange, until its owner sees them all. */
static void fill(struct amqp *owner, const char *queue, long messages) {
    char *out = malloc(size + 1024), *body = calloc(1, size);
    memset(body, 'x', size);
    char *end = put_message(out, "", queue, "fill", "", "", "", body, size);
    for (long i = 0; i < messages; i++)
        if (!amqp_send(&straight, out, end)) fail(straight.why);
    for (double limit = now() + 60; waiting(owner, queue) != messages; usleep(10000))
        if (now() > limit) fail("the queue was not filled");
    free(out), free(body);
}

static void prepare(struct worker *w, long messages) {
    struct frame f;
    snprintf(w->filled, sizeof w->filled, "%s-filled", w->queue);
    if (!CALL(&w->a, &f, DECLARE_OK, DECLARE, "2s1t", 0, w->filled, DECLARE_EXCLUSIVE)) fail(w->a.why);
    fill(&w->a, w->filled, messages);
}

#endif
