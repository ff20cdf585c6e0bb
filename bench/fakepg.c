/* A stand-in upstream for the benchmarks: speaks just enough of the PostgreSQL
 * protocol (TLS or plaintext, MD5 password request that accepts anything)
 * to hold thousands of sessions cheaply and to answer faster than a real
 * server, so that a proxy's own cost is what is left.  One thread a session.
 *
 *   fakepg PORT CERT KEY
 *
 * Any query is answered with one row, except
 *   blast BYTES RECORD   sends BYTES of CopyData in writes of RECORD bytes
 *   sink                 COPY FROM STDIN that discards its input */
#define _GNU_SOURCE
#include <openssl/ssl.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static SSL_CTX *ctx;
struct conn { int fd; SSL *ssl; };

static int rdn(struct conn *c, void *b, size_t n) {
    char *p = b;
    while (n) {
        ssize_t r = c->ssl ? SSL_read(c->ssl, p, n) : read(c->fd, p, n);
        if (r <= 0) return -1;
        p += r; n -= r;
    }
    return 0;
}
static int wrn(struct conn *c, const void *b, size_t n) {
    const char *p = b;
    while (n) {
        ssize_t r = c->ssl ? SSL_write(c->ssl, p, n) : write(c->fd, p, n);
        if (r <= 0) return -1;
        p += r; n -= r;
    }
    return 0;
}
static size_t put(char *o, char t, const void *b, uint32_t n) {
    uint32_t l = htonl(n + 4);
    o[0] = t; memcpy(o + 1, &l, 4); memcpy(o + 5, b, n);
    return n + 5;
}
static size_t param(char *o, const char *k, const char *v) {
    char b[128]; size_t a = strlen(k) + 1, z = strlen(v) + 1;
    memcpy(b, k, a); memcpy(b + a, v, z);
    return put(o, 'S', b, a + z);
}
static int blast(struct conn *c, uint64_t bytes, size_t rec) {
    size_t msg = 8192, cap = (rec + msg - 1) / msg * msg;
    char *b = malloc(cap), o[64];
    uint32_t l = htonl(msg - 1);
    memset(b, 'x', cap);
    for (size_t i = 0; i < cap; i += msg) { b[i] = 'd'; memcpy(b + i + 1, &l, 4); }
    int e = wrn(c, o, put(o, 'H', "\0\0\0", 3));
    for (uint64_t s = 0; s < bytes && !e; s += cap)
        for (size_t q = 0; q < cap && !e; q += rec) e = wrn(c, b + q, cap - q < rec ? cap - q : rec);
    free(b);
    if (e) return e;
    size_t n = put(o, 'c', "", 0);
    n += put(o + n, 'C', "COPY 1", 7);
    n += put(o + n, 'Z', "I", 1);
    return wrn(c, o, n);
}
static int answer(struct conn *c, char *sql) {
    char o[256]; size_t n = 0;
    unsigned long long bytes; unsigned rec;
    if (sscanf(sql, "blast %llu %u", &bytes, &rec) == 2 && rec) return blast(c, bytes, rec);
    if (!strcmp(sql, "sink")) return wrn(c, o, put(o, 'G', "\1\0\1\0\1", 5));
    if (!strncasecmp(sql, "select", 6) || !strncasecmp(sql, "show", 4)) {
        static const char rd[] = "\0\1x\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0";
        n += put(o, 'T', rd, sizeof rd - 1);
        n += put(o + n, 'D', "\0\1\0\0\0\1" "1", 7);
        n += put(o + n, 'C', "SELECT 1", 9);
    } else
        n += put(o, 'C', "SET", 4);
    n += put(o + n, 'Z', "I", 1);
    return wrn(c, o, n);
}
static void *serve(void *arg) {
    struct conn cc = {(int)(intptr_t)arg, NULL}, *c = &cc;
    char o[1024], *m = NULL; uint32_t w[2]; size_t n, cap = 0;
    for (;;) {
        if (rdn(c, w, 8)) goto out;
        if (ntohl(w[1]) == 80877103) {
            if (wrn(c, "S", 1)) goto out;
            c->ssl = SSL_new(ctx);
            SSL_set_fd(c->ssl, c->fd);
            if (SSL_accept(c->ssl) != 1) goto out;
        } else if (ntohl(w[1]) == 80877104) {
            if (wrn(c, "N", 1)) goto out;
        } else
            break;
    }
    if (ntohl(w[1]) != 196608 || ntohl(w[0]) > 9000 || ntohl(w[0]) < 8) goto out;
    m = malloc(cap = 9000);
    if (rdn(c, m, ntohl(w[0]) - 8)) goto out;
    n = put(o, 'R', "\0\0\0\5salt", 8);
    if (wrn(c, o, n) || rdn(c, o, 5)) goto out;
    memcpy(w, o + 1, 4);
    if (o[0] != 'p' || ntohl(w[0]) > 900 || rdn(c, o, ntohl(w[0]) - 4)) goto out;
    n = put(o, 'R', "\0\0\0\0", 4);
    n += param(o + n, "server_version", "15.0");
    n += param(o + n, "server_encoding", "UTF8");
    n += param(o + n, "client_encoding", "UTF8");
    n += param(o + n, "DateStyle", "ISO, MDY");
    n += param(o + n, "TimeZone", "UTC");
    n += param(o + n, "integer_datetimes", "on");
    n += param(o + n, "standard_conforming_strings", "on");
    n += param(o + n, "application_name", "");
    n += put(o + n, 'K', "\0\0\0\1\0\0\0\2", 8);
    n += put(o + n, 'Z', "I", 1);
    if (wrn(c, o, n)) goto out;
    free(m); m = malloc(cap = 1024);
    for (;;) {
        char h[5]; uint32_t l;
        if (rdn(c, h, 5)) break;
        memcpy(&l, h + 1, 4); l = ntohl(l) - 4;
        if (l > 1 << 20) break;
        if (l + 1 > cap) m = realloc(m, cap = l + 1);
        if (l && rdn(c, m, l)) break;
        m[l] = 0;
        if (h[0] == 'X') break;
        if (h[0] == 'Q' && answer(c, m)) break;
        if (h[0] == 'c') {
            n = put(o, 'C', "COPY 1", 7);
            n += put(o + n, 'Z', "I", 1);
            if (wrn(c, o, n)) break;
        }
    }
out:
    free(m);
    if (c->ssl) SSL_free(c->ssl);
    close(c->fd);
    return NULL;
}
int main(int argc, char **argv) {
    if (argc < 4) return 2;
    signal(SIGPIPE, SIG_IGN);
    ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    if (SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 || SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1) return 3;
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(s, (void *)&a, sizeof a) || listen(s, 4096)) return 4;
    pthread_attr_t at;
    pthread_attr_init(&at);
    pthread_attr_setstacksize(&at, 128 << 10);
    pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int f = accept(s, NULL, NULL);
        if (f < 0) { usleep(1000); continue; }
        setsockopt(f, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_t t;
        if (pthread_create(&t, &at, serve, (void *)(intptr_t)f)) close(f);
    }
}
