/* The AMQP generator: one load over `conns` connections to one port, JSON objects on standard output.
 *
 *   amqp_load publish|consume|rpc|idle|backlog PORT LOGINS key=value...
 *   amqp_load echo BROKER LOGINS admin=USER:PASSWORD
 *
 * All but echo log in as M7's clients do, print {"ready": N}, await a line on standard input, measure, print the result and close
 * when standard input does. `broker` is the broker's own port: queues are filled and counted there. Loops are bounded in time. */
#define _GNU_SOURCE
#include "amqp_session.h"

#define BLOCK 64 /* messages in one write of the flood */

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
