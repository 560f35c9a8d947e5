/* The FIX engine of the bench: answers the first message of a connection, a Logon, with a Logon, then echoes every byte.
 * Prints "PORT n" and ends when its standard input does, so that it can't outlive the bench. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fix.h"

#define CHUNK (256 * 1024)

struct session {
    int fd, on, held, off;
    char *hold; /* before the Logon: the unfinished message; after it: what the socket would not take */
};

static char chunk[CHUNK];
static int poller;

static void watch(struct session *s, int op, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = s};
    epoll_ctl(poller, op, s->fd, &event);
}

static void end(struct session *s) {
    close(s->fd);
    free(s->hold);
    free(s);
}

/* Sends, keeps the rest and stops reading until the socket takes it. Returns 0 when the session is over. */
static int put(struct session *s, const char *data, int length) {
    ssize_t sent = send(s->fd, data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return 0;
    if (sent < 0) sent = 0;
    if (sent == length) return 1;
    s->held = length - (int)sent, s->off = 0;
    s->hold = malloc(s->held);
    memcpy(s->hold, data + sent, s->held);
    watch(s, EPOLL_CTL_MOD, EPOLLOUT);
    return 1;
}

static int flush(struct session *s) {
    ssize_t sent = send(s->fd, s->hold + s->off, s->held - s->off, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    s->off += (int)sent;
    if (s->off < s->held) return 1;
    free(s->hold);
    s->hold = NULL, s->held = 0;
    watch(s, EPOLL_CTL_MOD, EPOLLIN);
    return 1;
}

static int answer(struct session *s, const char *logon, int length) {
    char sender[64], target[64], heartbeat[16], reset[4] = "N", when[32], body[MESSAGE_MAX], out[MESSAGE_MAX];
    if (!memmem(logon, length, "\00135=A\001", 6)) return 0;
    if (!fix_field(logon, length, "\00149=", sender, sizeof sender)) return 0;
    if (!fix_field(logon, length, "\00156=", target, sizeof target)) return 0;
    if (!fix_field(logon, length, "\001108=", heartbeat, sizeof heartbeat)) return 0;
    fix_field(logon, length, "\001141=", reset, sizeof reset);
    fix_now(when);
    int n = snprintf(body, sizeof body, "35=A\00134=1\00149=%s\00152=%s\00156=%s\00198=0\001108=%s\001141=%s\001", target, when,
                     sender, heartbeat, reset);
    return put(s, out, fix_seal(out, body, n));
}

/* Collects the Logon; bytes behind it are echoed like all that follow. */
static int open_session(struct session *s, const char *data, int length) {
    if (!s->hold) s->hold = malloc(2 * MESSAGE_MAX);
    if (s->held + length > 2 * MESSAGE_MAX) return 0;
    memcpy(s->hold + s->held, data, length);
    s->held += length;
    int whole = fix_whole(s->hold, s->held);
    if (whole <= 0) return whole == 0;
    char *first = s->hold;
    int have = s->held;
    s->hold = NULL, s->held = 0, s->on = 1;
    int ok = answer(s, first, whole) && (have == whole || put(s, first + whole, have - whole));
    free(first);
    return ok;
}

static int serve(struct session *s, uint32_t events) {
    if (events & EPOLLOUT) return flush(s);
    ssize_t got = recv(s->fd, chunk, CHUNK, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return 0;
    return s->on ? put(s, chunk, (int)got) : open_session(s, chunk, (int)got);
}

static void welcome(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct session *s = calloc(1, sizeof *s);
        s->fd = fd;
        watch(s, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_anywhere(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 4096)) perror("listen"), exit(2);
    getsockname(fd, (struct sockaddr *)&here, &size);
    printf("PORT %d\n", ntohs(here.sin_port));
    fflush(stdout);
    return fd;
}

int main(void) {
    struct epoll_event events[256];
    struct session listener = {.fd = listen_anywhere()}, parent = {.fd = 0};
    poller = epoll_create1(0);
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(&parent, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int n = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct session *s = events[i].data.ptr;
            if (s == &parent) return 0;
            if (s == &listener) welcome(listener.fd);
            else if (!serve(s, events[i].events)) end(s);
        }
    }
}
