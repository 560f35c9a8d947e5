/* The generator: one of four loads against one port, one JSON object on standard output.
 *
 *   load rtt|flood|logins|idle PORT LOGINS key=value...
 *
 * Every load begins with the same login. Loops are bounded in time and in count; any wrong byte ends the run with an error. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "conn.h"

#define BLOCK 1024 /* different orders before the flood repeats itself */

static struct login *logins;
static int login_count, port;
static double seconds = 1.0;
static long count = 1000000, window = 256 * 1024, burst = 64 * 1024;
static int threads = 16;
static char steps[64] = "100";

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
    if (!login_count) fail("the login file is empty");
}

static struct conn logged_on(void) {
    struct conn c;
    char why[320];
    if (!log_on(&c, port, logins, why, sizeof why)) fail(why);
    return c;
}

static char *orders(void) {
    char *block = malloc(BLOCK * ORDER_SIZE);
    for (int i = 0; i < BLOCK; i++) fix_order(block + i * ORDER_SIZE, logins->sender, logins->target, i + 2);
    return block;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float rank(const float *sorted, long n, double q) { return sorted[(long)(q * (n - 1))]; }

/* (a) One order in flight: microseconds from send to the last byte of its echo, after a tenth of the time as warm-up. */
static void rtt(void) {
    struct conn c = logged_on();
    char *block = orders(), echo[ORDER_SIZE];
    float *micros = malloc(count * sizeof *micros);
    double start = now(), warm = start + seconds / 10, stop = warm + seconds, before, after = start;
    long n = 0;
    for (long i = 0; after < stop && n < count; i++) {
        char *order = block + i % BLOCK * ORDER_SIZE;
        before = now();
        if (!send_all(&c, order, ORDER_SIZE) || !recv_all(&c, echo, ORDER_SIZE)) fail("the echo did not come");
        after = now();
        if (memcmp(order, echo, ORDER_SIZE)) fail("the echo is not what was sent");
        if (after > warm) micros[n++] = (after - before) * 1e6;
    }
    qsort(micros, n, sizeof *micros, by_value);
    printf("{\"samples\": %ld, \"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"min\": %.3f}\n", n, rank(micros, n, .5),
           rank(micros, n, .99), rank(micros, n, .999), micros[0]);
    log_out(&c, logins);
    conn_close(&c);
}

/* Compares what came back with the endless repetition of the block. */
static void verify(const char *block, long size, long at, const char *data, int n) {
    for (int done = 0, part; done < n; done += part) {
        long from = (at + done) % size;
        part = size - from < n - done ? (int)(size - from) : n - done;
        if (memcmp(block + from, data + done, part)) fail("the echo is not what was sent");
    }
}

/* (b) A window of bytes in flight; what counts is what came back, every byte compared. */
static void flood(void) {
    struct conn c = logged_on();
    char *block = orders(), *back = malloc(window);
    long size = (long)BLOCK * ORDER_SIZE, sent = 0, got = 0, n;
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    double start = now(), stop = start + seconds, limit = stop + 10, at;
    while ((at = now()) < stop || got < sent || sent % ORDER_SIZE) {
        if (at > limit) fail("the last echoes did not come");
        long room = window - (sent - got), from = sent % size, want = room < burst ? room : burst;
        if (want > size - from) want = size - from;
        if (at >= stop) want = (ORDER_SIZE - sent % ORDER_SIZE) % ORDER_SIZE;
        int idle = 1;
        if (want > 0 && room >= want && (n = conn_send(&c, block + from, (int)want)) != -2) {
            if (n <= 0) fail("the line broke while sending");
            sent += n, idle = 0;
        }
        if ((n = conn_recv(&c, back, (int)window)) != -2) {
            if (n <= 0) fail("the line broke while receiving");
            verify(block, size, got, back, (int)n);
            got += n, idle = 0;
        }
        struct pollfd wait = {.fd = c.fd, .events = POLLIN | (want > 0 ? POLLOUT : 0)};
        if (idle) poll(&wait, 1, 100);
    }
    double took = now() - start;
    printf("{\"seconds\": %.4f, \"messages\": %ld, \"messages_per_s\": %.0f, \"mb_per_s\": %.2f}\n", took, got / ORDER_SIZE,
           got / ORDER_SIZE / took, got / took / 1e6);
    conn_close(&c);
}

struct worker {
    pthread_t thread;
    int index, from, to;
    long done, refused;
    float *millis;
    char why[320];
    struct conn *open;
};

static double deadline;

/* Connect, Logon, answer, Logout, answer, close: over and over, each time as another of this worker's users. */
static void *keep_logging_on(void *argument) {
    struct worker *w = argument;
    long mine = count / threads;
    w->millis = malloc(mine * sizeof *w->millis);
    for (long i = w->index; now() < deadline && w->done < mine && w->refused < 20; i += threads) {
        struct conn c;
        const struct login *who = logins + i % login_count;
        double before = now();
        if (log_on(&c, port, who, w->why, sizeof w->why)) {
            w->millis[w->done++] = (now() - before) * 1e3;
            log_out(&c, who);
        } else w->refused++;
        conn_close(&c);
    }
    return NULL;
}

static void run(struct worker *w, void *(*work)(void *)) {
    for (int i = 0; i < threads; i++) w[i].index = i, pthread_create(&w[i].thread, NULL, work, w + i);
    for (int i = 0; i < threads; i++) pthread_join(w[i].thread, NULL);
}

/* (d) Logins a second over `threads` connections at a time. login_count must be a multiple of threads, or two would share a user. */
static void logins_row(void) {
    struct worker *w = calloc(threads, sizeof *w);
    if (login_count % threads) fail("the number of logins is not a multiple of the number of threads");
    double start = now();
    deadline = start + seconds;
    run(w, keep_logging_on);
    double took = now() - start;
    long n = 0, refused = 0;
    const char *why = "";
    float *all = malloc((count + 1) * sizeof *all);
    for (int i = 0; i < threads; i++) {
        memcpy(all + n, w[i].millis, w[i].done * sizeof *all);
        n += w[i].done, refused += w[i].refused;
        if (w[i].refused) why = w[i].why;
    }
    if (!n) fail(why);
    qsort(all, n, sizeof *all, by_value);
    printf("{\"seconds\": %.4f, \"logins\": %ld, \"refused\": %ld, \"why\": \"%s\", \"logins_per_s\": %.1f, \"p50_ms\": %.3f, "
           "\"p99_ms\": %.3f}\n", took, n, refused, why, n / took, rank(all, n, .5), rank(all, n, .99));
}

/* A code may cross the border of its 30 s on the way: a refused login is tried again, three times in all. */
static void *open_share(void *argument) {
    struct worker *w = argument;
    for (int i = w->from + w->index; i < w->to && w->refused < 3; i += threads) {
        for (w->refused = 0; w->refused < 3; w->refused++) {
            if (log_on(w->open + i, port, logins + i, w->why, sizeof w->why)) break;
            conn_close(w->open + i);
            sleep(1);
        }
    }
    return NULL;
}

/* (e) Opens as many sessions as each step says, tells, and waits for a line on standard input before the next step. */
static void idle(void) {
    struct conn *open = calloc(login_count, sizeof *open);
    struct worker *w = calloc(threads, sizeof *w);
    char line[16], *rest = steps;
    for (int from = 0, to; (to = (int)strtol(rest, &rest, 10)) > 0; from = to) {
        if (to > login_count) fail("fewer logins than sessions");
        double start = now();
        for (int i = 0; i < threads; i++) w[i].open = open, w[i].from = from, w[i].to = to;
        run(w, open_share);
        for (int i = 0; i < threads; i++)
            if (w[i].refused >= 3) fail(w[i].why);
        printf("{\"sessions\": %d, \"seconds\": %.2f}\n", to, now() - start);
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin)) break;
        if (*rest == ',') rest++;
    }
}

static void option(const char *text) {
    const char *value = strchr(text, '=');
    if (!value++) fail("options are key=value");
    if (!strncmp(text, "seconds=", 8)) seconds = atof(value);
    else if (!strncmp(text, "count=", 6)) count = atol(value);
    else if (!strncmp(text, "window=", 7)) window = atol(value);
    else if (!strncmp(text, "burst=", 6)) burst = atol(value);
    else if (!strncmp(text, "threads=", 8)) threads = atoi(value);
    else if (!strncmp(text, "first=", 6)) logins += atoi(value), login_count -= atoi(value);
    else if (!strncmp(text, "steps=", 6)) snprintf(steps, sizeof steps, "%s", value);
    else if (!strcmp(text, "tls=1")) tls_setup();
    else fail("unknown option");
}

int main(int argc, char **argv) {
    if (argc < 4) fail("usage: load rtt|flood|logins|idle PORT LOGINS key=value...");
    port = atoi(argv[2]);
    read_logins(argv[3]);
    for (int i = 4; i < argc; i++) option(argv[i]);
    if (!strcmp(argv[1], "rtt")) rtt();
    else if (!strcmp(argv[1], "flood")) flood();
    else if (!strcmp(argv[1], "logins")) logins_row();
    else if (!strcmp(argv[1], "idle")) idle();
    else fail("unknown load");
    return 0;
}
