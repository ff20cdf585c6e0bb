/* Load client for the benchmarks: connection storms, bulk COPY and idle sessions.
 *
 *   load connect DSN THREADS SECONDS      connect + "select 1" + close, repeatedly
 *   load copyout DSN SQL                  drain one COPY TO STDOUT / query reply
 *   load copyin  DSN SQL BYTES ROWBYTES   binary COPY FROM STDIN of one bytea column
 *   load idle    DSN N                    open N sessions, wait for end of stdin, ask each of them once more
 *
 * libpq makes the connections; the bulk modes then read and write the socket
 * (or its TLS session) directly in large blocks, so that the client is not
 * the bottleneck.  One JSON object is printed per run, two by idle. */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_utime.tv_usec / 1e6 + u.ru_stime.tv_sec + u.ru_stime.tv_usec / 1e6;
}
static void die(const char *m) { fprintf(stderr, "%s\n", m); exit(1); }

/* ---- connect ---- */
static const char *g_dsn;
static double g_end;
struct worker { pthread_t t; double *lat, *ready; size_t n, cap; long err; PGconn **c; int want; };

static void *connect_loop(void *p) {
    struct worker *w = p;
    while (now() < g_end) {
        double t0 = now(), t1;
        PGconn *c = PQconnectdb(g_dsn);
        if (PQstatus(c) != CONNECTION_OK) {
            if (!w->err++) fprintf(stderr, "%s", PQerrorMessage(c));
            PQfinish(c);
            continue;
        }
        t1 = now();
        PGresult *r = PQexec(c, "select 1");
        int ok = PQresultStatus(r) == PGRES_TUPLES_OK;
        PQclear(r);
        PQfinish(c);
        if (!ok) { w->err++; continue; }
        if (w->n == w->cap) {
            w->cap = w->cap ? w->cap * 2 : 4096;
            w->lat = realloc(w->lat, w->cap * sizeof(double));
            w->ready = realloc(w->ready, w->cap * sizeof(double));
        }
        w->ready[w->n] = t1 - t0;
        w->lat[w->n++] = now() - t0;
    }
    return NULL;
}
static int cmp(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}
static int do_connect(int threads, double secs) {
    struct worker *w = calloc(threads, sizeof *w);
    double t0 = now();
    g_end = t0 + secs;
    for (int i = 0; i < threads; i++) pthread_create(&w[i].t, NULL, connect_loop, &w[i]);
    size_t n = 0; long err = 0;
    for (int i = 0; i < threads; i++) { pthread_join(w[i].t, NULL); n += w[i].n; err += w[i].err; }
    double el = now() - t0, *a = malloc((n + 1) * sizeof(double));
    size_t k = 0;
    for (int i = 0; i < threads; i++) { memcpy(a + k, w[i].ready, w[i].n * sizeof(double)); k += w[i].n; }
    qsort(a, n, sizeof(double), cmp);
    printf("{\"n\":%zu,\"errors\":%ld,\"rate\":%.2f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,", n, err, n / el,
           n ? a[n / 2] * 1e3 : 0, n ? a[(size_t)(n * 0.99)] * 1e3 : 0);
    /* until the first answer: what counts where a pooler opens the upstream session lazily */
    for (int i = 0, k = 0; i < threads; i++) { memcpy(a + k, w[i].lat, w[i].n * sizeof(double)); k += w[i].n; }
    qsort(a, n, sizeof(double), cmp);
    printf("\"first_p50_ms\":%.3f,\"first_p99_ms\":%.3f,\"client_cpu_s\":%.3f}\n", n ? a[n / 2] * 1e3 : 0,
           n ? a[(size_t)(n * 0.99)] * 1e3 : 0, cpu());
    return n == 0;
}

/* ---- idle ---- */
static void *idle_open(void *p) {
    struct worker *w = p;
    w->c = calloc(w->want + 1, sizeof(PGconn *));
    for (int i = 0; i < w->want; i++) {
        w->c[i] = PQconnectdb(g_dsn);
        if (PQstatus(w->c[i]) == CONNECTION_OK) {
            /* a query, so that poolers attach an upstream session */
            PGresult *r = PQexec(w->c[i], "select 1");
            int ok = PQresultStatus(r) == PGRES_TUPLES_OK;
            PQclear(r);
            if (ok) { w->n++; continue; }
        }
        if (!w->err++) fprintf(stderr, "%s", PQerrorMessage(w->c[i]));
        PQfinish(w->c[i]);
        w->c[i] = NULL;
        if (w->err > 20) break;
    }
    return NULL;
}
static int do_idle(int n) {
    enum { T = 8 };
    struct worker w[T];
    memset(w, 0, sizeof w);
    double t0 = now();
    for (int i = 0; i < T; i++) { w[i].want = n / T + (i < n % T); pthread_create(&w[i].t, NULL, idle_open, &w[i]); }
    long open = 0, err = 0;
    for (int i = 0; i < T; i++) { pthread_join(w[i].t, NULL); open += w[i].n; err += w[i].err; }
    printf("{\"open\":%ld,\"errors\":%ld,\"secs\":%.2f}\n", open, err, now() - t0);
    fflush(stdout);
    char b[64];
    while (read(0, b, sizeof b) > 0) ;
    long answered = 0;
    for (int i = 0; i < T; i++)
        for (int j = 0; j < w[i].want; j++) {
            if (!w[i].c[j]) continue;
            PGresult *r = PQexec(w[i].c[j], "select 1");
            answered += PQresultStatus(r) == PGRES_TUPLES_OK;
            PQclear(r);
            PQfinish(w[i].c[j]);
        }
    printf("{\"answered\":%ld}\n", answered);
    return 0;
}

/* ---- bulk ---- */
static PGconn *g_c; static SSL *g_ssl; static int g_fd;
static void open_raw(void) {
    g_c = PQconnectdb(g_dsn);
    if (PQstatus(g_c) != CONNECTION_OK) die(PQerrorMessage(g_c));
    g_fd = PQsocket(g_c);
    g_ssl = PQsslStruct(g_c, "OpenSSL");
    fcntl(g_fd, F_SETFL, fcntl(g_fd, F_GETFL) & ~O_NONBLOCK);
}
static ssize_t rd(void *b, size_t n) {
    if (!g_ssl) return read(g_fd, b, n);
    int r = SSL_read(g_ssl, b, n > 1 << 30 ? 1 << 30 : n);
    return r;
}
static void wr(const char *b, size_t n) {
    while (n) {
        ssize_t r = g_ssl ? SSL_write(g_ssl, b, n) : write(g_fd, b, n);
        if (r <= 0) die("write");
        b += r; n -= r;
    }
}
static void query(const char *sql) {
    uint32_t l = htonl(5 + strlen(sql));
    char *m = malloc(6 + strlen(sql));
    m[0] = 'Q'; memcpy(m + 1, &l, 4); strcpy(m + 5, sql);
    wr(m, 6 + strlen(sql));
    free(m);
}
/* Reads messages until ReadyForQuery (or until message type `stop`); returns bytes. */
static uint64_t drain(char stop) {
    size_t cap = 1 << 18, have = 0;
    char *b = malloc(cap);
    uint64_t total = 0, skip = 0;
    for (;;) {
        ssize_t r = rd(b + have, cap - have);
        if (r <= 0) die("connection lost");
        total += r; have += r;
        size_t p = 0;
        while (p < have) {
            if (skip) { size_t k = have - p < skip ? have - p : skip; p += k; skip -= k; continue; }
            if (have - p < 5) break;
            uint32_t l; memcpy(&l, b + p + 1, 4); l = ntohl(l);
            char ty = b[p];
            if (ty == 'E') { fprintf(stderr, "server error: %.*s\n", (int)(have - p > 200 ? 200 : have - p), b + p + 5); exit(1); }
            if (ty == stop || ty == 'Z') { free(b); return total; }
            p += 5; skip = l - 4;
        }
        memmove(b, b + p, have - p); have -= p;
    }
}
static void report(uint64_t bytes, double t0, double c0) {
    double s = now() - t0;
    printf("{\"bytes\":%llu,\"secs\":%.4f,\"mb_s\":%.2f,\"client_cpu_s\":%.3f,\"tls\":\"%s\"}\n", (unsigned long long)bytes, s,
           bytes / 1e6 / s, cpu() - c0, g_ssl ? SSL_get_cipher_name(g_ssl) : "none");
}
static int do_copyout(const char *sql) {
    open_raw();
    double t0 = now(), c0 = cpu();
    query(sql);
    report(drain('Z'), t0, c0);
    return 0;
}
static int do_copyin(const char *sql, uint64_t bytes, uint32_t row) {
    open_raw();
    query(sql);
    drain('G');
    double t0 = now(), c0 = cpu();
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    char h[64]; uint32_t l = htonl(4 + 19);
    h[0] = 'd'; memcpy(h + 1, &l, 4); memcpy(h + 5, head, 19);
    wr(h, 24);
    /* one CopyData per row: int16 1, int32 len, bytes */
    size_t msg = 5 + 6 + row, per = (1 << 16) / msg + 1;
    char *b = malloc(msg * per);
    for (size_t i = 0; i < per; i++) {
        char *q = b + i * msg; uint32_t ml = htonl(msg - 1), rl = htonl(row); uint16_t one = htons(1);
        q[0] = 'd'; memcpy(q + 1, &ml, 4); memcpy(q + 5, &one, 2); memcpy(q + 7, &rl, 4); memset(q + 11, 'x', row);
    }
    uint64_t sent = 0;
    while (sent < bytes) { wr(b, msg * per); sent += msg * per; }
    free(b);
    char tr[16] = {'d', 0, 0, 0, 6, (char)0xff, (char)0xff, 'c', 0, 0, 0, 4};
    wr(tr, 12);
    drain('Z');
    report(sent, t0, c0);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) die("usage: load connect|copyout|copyin|idle DSN ...");
    g_dsn = argv[2];
    if (!strcmp(argv[1], "connect")) return do_connect(atoi(argv[3]), atof(argv[4]));
    if (!strcmp(argv[1], "idle")) return do_idle(atoi(argv[3]));
    if (!strcmp(argv[1], "copyout")) return do_copyout(argv[3]);
    if (!strcmp(argv[1], "copyin")) return do_copyin(argv[3], strtoull(argv[4], 0, 10), atoi(argv[5]));
    die("unknown mode");
    return 1;
}
