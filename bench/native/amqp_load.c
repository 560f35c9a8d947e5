/* The AMQP generator: one load over `conns` connections to one port, JSON objects on standard output.
 *
 *   amqp_load publish|consume|rpc|idle|backlog PORT LOGINS key=value...
 *   amqp_load echo BROKER LOGINS admin=USER:PASSWORD
 *
 * All but echo log in as M7's clients do, print {"ready": N}, await a line on standard input, measure, print the result and close
 * when standard input does. `broker` is the broker's own port: queues are filled and counted there. Loops are bounded in time. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>

#include "amqp.h"

#define ORDERS "bench.orders" /* where the requests of all users go */
#define BLOCK 64              /* messages in one write of the flood */
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

/* This connection's share of the orders, in blocks; then a basic.qos, whose answer says that the broker has taken all before it.
 * A count and not a time: the sockets of 24 connections hold seconds of orders. */
static void *pour(void *argument) {
    struct worker *w = argument;
    char *block = malloc(BLOCK * (size + 1024L)), *end = block, *body = order(), correlation[CORRELATION_SIZE + 1];
    struct frame f;
    for (int i = 0; i < BLOCK; i++) {
        snprintf(correlation, sizeof correlation, "%0*d", CORRELATION_SIZE, i);
        end = put_order(end, w, correlation, body);
    }
    w->ok = 1;
    for (; w->ok && w->done < count / conns; w->done += BLOCK) w->ok = amqp_send(&w->a, block, end);
    w->ok = w->ok && CALL(&w->a, &f, QOS_OK, QOS, "421", 0, 0, 0);
    w->end = now();
    free(block), free(body);
    return NULL;
}

/* (f) Publishing without confirms. What counts is what stands in the queue at the end, and it must be what was sent. */
static void publish(void) {
    go_straight();
    enter_all();
    purge();
    ready();
    each(pour, conns);
    double took = last_end() - start;
    long sent = all_done();
    printf("{\"seconds\": %.4f, \"messages\": %ld, \"messages_per_s\": %.0f}\n", took, sent, sent / took);
    fflush(stdout); /* the proxy's CPU is read now: what follows is the check */
    for (double limit = now() + 5; waiting(&straight, ORDERS) != sent; usleep(10000))
        if (now() > limit) fail("the queue does not hold what was sent");
    purge();
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
    snprintf(w->filled, sizeof w->filled, "%s.filled", w->queue);
    if (!CALL(&w->a, &f, DECLARE_OK, DECLARE, "2s1t", 0, w->filled, DECLARE_EXCLUSIVE)) fail(w->a.why);
    fill(&w->a, w->filled, messages);
}

/* A consumer that acknowledges every fifth of its window. */
static void *drink(void *argument) {
    struct worker *w = argument;
    struct frame f;
    struct delivery d;
    char out[64];
    long mine = count / conns;
    w->ok = CALL(&w->a, &f, QOS_OK, QOS, "421", 0, window, 0)
            && CALL(&w->a, &f, CONSUME_OK, CONSUME, "2ss1t", 0, w->filled, "filled", 0);
    while (w->ok && w->done < mine) {
        w->ok = next_delivery(&w->a, &d) && (d.size == (uint64_t)size || failed(&w->a, "a delivery of another size"));
        if (++w->done % (window / 5) == 0 || w->done == mine)
            w->ok = w->ok && amqp_send(&w->a, out, put_method(out, 1, ACK, "81", d.tag, ACK_MULTIPLE));
    }
    w->end = now();
    return NULL;
}

/* (h) `count` messages from queues that were filled before, prefetch `window`. */
static void consume(void) {
    go_straight();
    enter_all();
    for (int i = 0; i < conns; i++) prepare(workers + i, count / conns);
    ready();
    each(drink, conns);
    double took = last_end() - start;
    printf("{\"seconds\": %.4f, \"messages\": %ld, \"messages_per_s\": %.0f}\n", took, all_done(), all_done() / took);
}

/* One order in flight on each connection, until its echo came with the same correlation id and body. */
static void *ask(void *argument) {
    struct worker *w = argument;
    char *body = order(), *out = malloc(size + 1024), correlation[CORRELATION_SIZE + 1];
    struct delivery d;
    double warm = start + seconds / 10, stop = warm + seconds;
    w->micros = malloc(count * sizeof *w->micros);
    w->ok = 1;
    for (double before = start, after; w->ok && before < stop && w->samples < count; w->done++) {
        snprintf(correlation, sizeof correlation, "%0*ld", CORRELATION_SIZE, w->done);
        char *end = put_order(out, w, correlation, body);
        before = now();
        w->ok = amqp_send(&w->a, out, end) && next_delivery(&w->a, &d);
        after = now();
        if (w->ok && (strcmp(d.correlation, correlation) || d.size != (uint64_t)size || memcmp(d.body, body, size)))
            w->ok = failed(&w->a, "the answer is not the echo of the request");
        if (after > warm) w->micros[w->samples++] = (float)((after - before) * 1e6);
    }
    w->end = now();
    return NULL;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* (i) Request and reply, microseconds, through an exchange, a queue, the echo and the user's private queue. */
static void rpc(void) {
    enter_all();
    ready();
    each(ask, conns);
    long n = 0;
    float *all = malloc(count * conns * sizeof *all);
    for (int i = 0; i < conns; n += workers[i++].samples)
        memcpy(all + n, workers[i].micros, workers[i].samples * sizeof *all);
    if (!n) fail("no request was answered in time");
    qsort(all, n, sizeof *all, by_value);
    double took = last_end() - start;
    printf("{\"seconds\": %.4f, \"messages\": %ld, \"messages_per_s\": %.0f, \"p50\": %.1f, \"p99\": %.1f}\n", took, all_done(),
           all_done() / took, all[n / 2], all[(long)(.99 * (n - 1))]);
}

static struct amqp *open_sessions;
static int open_from, open_to;

static void *open_share(void *argument) {
    struct worker *w = argument;
    char queue[128];
    w->ok = 1;
    for (int i = open_from + (int)(w - workers); w->ok && i < open_to; i += threads) {
        if (logged_in(open_sessions + i, logins + i, queue, sizeof queue)) continue;
        w->ok = failed(&w->a, "login %d: %s", i, open_sessions[i].why);
    }
    return NULL;
}

/* (j) Opens as many logged-in, silent connections as each step says, tells, and awaits a line before the next step. */
static void idle(void) {
    char *rest = steps;
    open_sessions = calloc(login_count, sizeof *open_sessions);
    while ((open_to = (int)strtol(rest, &rest, 10)) > 0) {
        if (open_to > login_count) fail("fewer logins than sessions");
        double before = now();
        each(open_share, threads);
        printf("{\"sessions\": %d, \"seconds\": %.2f}\n", open_to, now() - before);
        await_line();
        open_from = open_to;
        if (*rest == ',') rest++;
    }
}

/* (k) A full queue, a consumer without acknowledgements that takes 64 KiB every 10 ms for a while, and then all that is left. */
static void backlog(void) {
    struct worker *w = workers;
    struct delivery d;
    struct frame f;
    int narrow = 65536;
    go_straight();
    enter_all();
    prepare(w, count);
    ready();
    if (!CALL(&w->a, &f, CONSUME_OK, CONSUME, "2ss1t", 0, w->filled, "filled", CONSUME_NO_ACK)) fail(w->a.why);
    for (long due; w->done < count; w->done++) {
        if (!next_delivery(&w->a, &d) || d.size != (uint64_t)size) fail(w->a.why);
        due = (long)(w->done * size / (double)narrow * 10000);
        long past = (long)((now() - start) * 1e6);
        if (past < seconds * 1e6 && due > past) usleep((useconds_t)(due - past));
    }
    printf("{\"seconds\": %.4f, \"messages\": %ld, \"mb\": %.1f}\n", now() - start, w->done, w->done * size / 1e6);
}

/* Answers every order with its own body: consumed from the broker, published to reply_to through the default exchange. */
static void *echo_all(void *argument) {
    struct delivery d;
    char *out = malloc(BUFFER);
    while (next_delivery(&straight, &d)) {
        if (d.size > FRAME_MAX) fail("an order that is too long to echo");
        amqp_send(&straight, out, put_message(out, "", d.reply_to, d.correlation, "", "", "", d.body, d.size));
    }
    return argument;
}

static void echo(void) {
    pthread_t thread;
    struct frame f;
    broker = port;
    go_straight();
    purge();
    if (!CALL(&straight, &f, CONSUME_OK, CONSUME, "2ss1t", 0, ORDERS, "echo", CONSUME_NO_ACK)) fail(straight.why);
    struct timeval patient = {.tv_sec = 3600};
    setsockopt(straight.c.fd, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof patient);
    pthread_create(&thread, NULL, echo_all, NULL);
    printf("{\"ready\": 1}\n");
    await_end();
    exit(0);
}

static void option(const char *text) {
    const char *value = strchr(text, '=');
    if (!value++) fail("options are key=value");
    if (!strncmp(text, "seconds=", 8)) seconds = atof(value);
    else if (!strncmp(text, "count=", 6)) count = atol(value);
    else if (!strncmp(text, "window=", 7)) window = atoi(value);
    else if (!strncmp(text, "size=", 5)) size = atol(value);
    else if (!strncmp(text, "conns=", 6)) conns = atoi(value);
    else if (!strncmp(text, "threads=", 8)) threads = atoi(value);
    else if (!strncmp(text, "broker=", 7)) broker = atoi(value);
    else if (!strncmp(text, "admin=", 6)) sscanf(value, "%63[^:]:%63s", admin, admin_password);
    else if (!strncmp(text, "first=", 6)) logins += atoi(value), login_count -= atoi(value);
    else if (!strncmp(text, "steps=", 6)) snprintf(steps, sizeof steps, "%s", value);
    else if (!strcmp(text, "tls=1")) tls_setup();
    else fail("unknown option");
}

int main(int argc, char **argv) {
    static const struct { const char *name; void (*run)(void); } loads[] = {
        {"publish", publish}, {"consume", consume}, {"rpc", rpc}, {"idle", idle}, {"backlog", backlog}, {"echo", echo}};
    if (argc < 4) fail("usage: amqp_load publish|consume|rpc|idle|backlog|echo PORT LOGINS key=value...");
    port = atoi(argv[2]);
    read_logins(argv[3]);
    for (int i = 4; i < argc; i++) option(argv[i]);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        if (strcmp(argv[1], loads[i].name)) continue;
        loads[i].run();
        if (strcmp(argv[1], "idle")) {
            await_end();
            for (int k = 0; k < conns; k++) workers[k].ok = 1;
            each(leave, conns);
        }
        return 0;
    }
    fail("unknown load");
}
