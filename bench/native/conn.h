/* A blocking client connection, plain or TLS, and the login on it. A refused or lost login is a result, not an exit. */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

#include "fix.h"

struct login {
    char sender[32], target[32], user[64], password[64], key[132];
};

struct conn {
    int fd;
    void *tls;
};

static void *tls_context __attribute__((unused)); /* NULL: plain */

/* The client fixes protocol and suite, so that every peer does the same work. Loopback: the certificate is not judged. */
static void tls_setup(void) {
#ifdef WITH_TLS
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384");
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tls_context = ctx;
#else
    fprintf(stderr, "this generator was compiled without OpenSSL\n");
    exit(2);
#endif
}

static void conn_close(struct conn *c) {
#ifdef WITH_TLS
    if (c->tls) SSL_shutdown(c->tls), SSL_free(c->tls);
#endif
    if (c->fd >= 0) close(c->fd);
    c->fd = -1, c->tls = NULL;
}

/* A plain connection, whatever the peer speaks to others: for what goes straight to the broker. */
static int conn_dial(struct conn *c, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    int one = 1;
    c->tls = NULL;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) return 0;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return !connect(c->fd, (struct sockaddr *)&to, sizeof to);
}

static int conn_open(struct conn *c, int port) {
    if (!conn_dial(c, port)) return 0;
#ifdef WITH_TLS
    if (tls_context) {
        c->tls = SSL_new(tls_context);
        SSL_set_fd(c->tls, c->fd);
        if (SSL_connect(c->tls) != 1) return errno = EPROTO, 0;
    }
#endif
    return 1;
}

/* Both return bytes done, 0 at the end of the stream, -1 on error; with a non-blocking socket -2 means "not now". */
static int conn_recv(struct conn *c, char *data, int size) {
#ifdef WITH_TLS
    if (c->tls) {
        int n = SSL_read(c->tls, data, size);
        if (n > 0) return n;
        int why = SSL_get_error(c->tls, n);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -2 : why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    }
#endif
    ssize_t n = recv(c->fd, data, size, 0);
    return n >= 0 ? (int)n : errno == EAGAIN ? -2 : -1;
}

static int conn_send(struct conn *c, const char *data, int size) {
#ifdef WITH_TLS
    if (c->tls) {
        int n = SSL_write(c->tls, data, size);
        if (n > 0) return n;
        int why = SSL_get_error(c->tls, n);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -2 : -1;
    }
#endif
    ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
    return n >= 0 ? (int)n : errno == EAGAIN ? -2 : -1;
}

static int send_all(struct conn *c, const char *data, int size) {
    for (int done = 0, n; done < size; done += n)
        if ((n = conn_send(c, data + done, size - done)) <= 0) return 0;
    return 1;
}

static int recv_all(struct conn *c, char *data, int size) {
    for (int done = 0, n; done < size; done += n)
        if ((n = conn_recv(c, data + done, size - done)) <= 0) return 0;
    return 1;
}

/* Receives one whole FIX message into out (MESSAGE_MAX bytes); returns its length or 0. */
static int recv_message(struct conn *c, char *out) {
    for (int have = 0, n, whole; have < MESSAGE_MAX; ) {
        if ((n = conn_recv(c, out + have, MESSAGE_MAX - have)) <= 0) return 0;
        have += n;
        if ((whole = fix_whole(out, have)) != 0) return whole == have ? whole : 0;
    }
    return 0;
}

/* Connect, Logon, await the Logon answer. why says what came instead. */
static int log_on(struct conn *c, int port, const struct login *who, char *why, size_t size) {
    char message[MESSAGE_MAX], code[8], text[256] = "";
    if (!conn_open(c, port)) return snprintf(why, size, "no connection: %s", strerror(errno)), 0;
    totp(who->key, time(NULL), code);
    int n = fix_logon(message, who->sender, who->target, who->user, who->password, code);
    if (!send_all(c, message, n)) return snprintf(why, size, "the Logon was not taken"), 0;
    n = recv_message(c, message);
    if (!n) return snprintf(why, size, "closed or silent instead of a Logon answer"), 0;
    if (memmem(message, n, "\00135=A\001", 6)) return 1;
    fix_field(message, n, "\00158=", text, sizeof text);
    return snprintf(why, size, "refused: %s", text), 0;
}

static int log_out(struct conn *c, const struct login *who) {
    char message[MESSAGE_MAX];
    int n = fix_logout(message, who->sender, who->target);
    return send_all(c, message, n) && recv_message(c, message) > 0;
}

#endif
