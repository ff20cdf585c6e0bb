/* libpq, as C programs use it. Each check returns NULL, or what was wrong with it. */

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ROWS = 100000, COPY_ROWS = 10000, GIGABYTE_ROWS = 65536, GIGABYTE_ROW_BYTES = 16384, STALL_SECS = 30 };
/* What the gigabyte may leave in memory, in KiB. */
enum { GIGABYTE_MEMORY = 65536 };

static char reason[1000];

/* In one line. */
static const char *wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    for (char *c = reason; *c != '\0'; c++) {
        if (*c == '\n') {
            *c = ' ';
        }
    }
    return reason;
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "libpq: %s is not set\n", name);
        exit(2);
    }
    return value;
}

/* Ends with PQfinish, whether it is one or not. */
static PGconn *connect_to(const char *port, const char *sslmode, const char *ca, const char *password) {
    const char *names[] = {"host",    "port",        "user",           "password",        "dbname",
                           "sslmode", "sslrootcert", "channel_binding", "client_encoding", NULL};
    const char *values[] = {setting("PROXY_HOST"), setting(port), setting("PROXY_USER"), password, setting("PROXY_DATABASE"),
                            sslmode, ca, "prefer", "UTF8", NULL};
    return PQconnectdbParams(names, values, 0);
}

static PGconn *session(void) {
    PGconn *connection = connect_to("PROXY_PORT", "verify-full", setting("PROXY_CA"), setting("PROXY_PASSWORD"));
    if (PQstatus(connection) != CONNECTION_OK) {
        fprintf(stderr, "libpq: %s", PQerrorMessage(connection));
    }
    return connection;
}

/* Runs a statement; NULL if its first row starts with this value, or if it succeeds where that is NULL. */
static const char *answers(PGconn *connection, const char *sql, const char *value) {
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    const char *fault = NULL;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fault = wrong("%s: %s", sql, PQerrorMessage(connection));
    } else if (value != NULL && (PQntuples(result) < 1 || strcmp(PQgetvalue(result, 0, 0), value) != 0)) {
        fault = wrong("%s: got %s, not %s", sql, PQntuples(result) < 1 ? "no row" : PQgetvalue(result, 0, 0), value);
    }
    PQclear(result);
    return fault;
}

/* NULL if the result is an error with this SQLSTATE, and the session goes on. Takes the result. */
static const char *failed_with(PGconn *connection, PGresult *result, const char *sqlstate) {
    const char *got = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *fault = got == NULL || strcmp(got, sqlstate) != 0 ? wrong("got %s, not %s", got ? got : "no error", sqlstate) : NULL;
    PQclear(result);
    return fault ? fault : answers(connection, "select 1", "1");
}

static const char *login(PGconn *connection) {
    return PQsslInUse(connection) ? answers(connection, "select current_user", "IAMR:rs01") : wrong("no TLS");
}

static const char *typed_parameters(PGconn *connection) {
    enum { COUNT = 8 };
    const char octets[] = {0, 1, '\'', '\\', '\x7f', '\x80', '\xff'};
    /* int4, int8, text, text, bool, numeric, timestamp, bytea; the last in binary. */
    const Oid types[COUNT] = {23, 20, 25, 25, 16, 1700, 1114, 17};
    const char *values[COUNT] = {"2147483647", "-9007199254740993", "na\xc3\xafve \xe2\x98\x83 'quoted' \\ \"too\"", NULL,
                                 "t", "12345678901234567890.123456789", "2024-02-29 23:59:59.123456", octets};
    const int lengths[COUNT] = {0, 0, 0, 0, 0, 0, 0, sizeof octets};
    const int formats[COUNT] = {0, 0, 0, 0, 0, 0, 0, 1};
    const char *sql = "select $1, $2, $3, $4, $5, $6, $7, encode($8, 'hex'), $1 = 2147483647 and $2 = -9007199254740993 and "
                      "$3 = convert_from(decode('6e61c3af766520e29883202771756f74656427205c2022746f6f22', 'hex'), 'UTF8') and "
                      "$4 is null and $5 and $6 = 12345678901234567890.123456789 and "
                      "$7 = '2024-02-29 23:59:59.123456'::timestamp and $8 = decode('0001275c7f80ff', 'hex')";
    PGresult *result = PQexecParams(connection, sql, COUNT, types, values, lengths, formats, 0);
    const char *fault = PQresultStatus(result) == PGRES_TUPLES_OK ? NULL : wrong("%s", PQerrorMessage(connection));
    for (int column = 0; fault == NULL && column <= COUNT; column++) {
        const char *want = column == COUNT ? "t" : column == COUNT - 1 ? "0001275c7f80ff" : values[column];
        const char *got = PQgetisnull(result, 0, column) ? NULL : PQgetvalue(result, 0, column);
        if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0)) {
            fault = wrong("column %d: got %s, not %s", column + 1, got ? got : "null", want ? want : "null");
        }
    }
    PQclear(result);
    return fault;
}

static const char *rows(PGconn *connection) {
    PGresult *result = PQexec(connection, "select n, 'row ' || n from generate_series(1, 100000) n");
    const char *fault = PQntuples(result) == ROWS ? NULL : wrong("%d rows: %s", PQntuples(result), PQerrorMessage(connection));
    for (int row = 0; fault == NULL && row < ROWS; row++) {
        char want[20];
        snprintf(want, sizeof want, "row %d", row + 1);
        if (atoi(PQgetvalue(result, row, 0)) != row + 1 || strcmp(PQgetvalue(result, row, 1), want) != 0) {
            fault = wrong("row %d: got %s, %s", row + 1, PQgetvalue(result, row, 0), PQgetvalue(result, row, 1));
        }
    }
    PQclear(result);
    return fault;
}

static const char *error(PGconn *connection) {
    const char *statements[][2] = {{"selec 1", "42601"}, {"select 1 / 0", "22012"}, {"select * from no_such_table", "42P01"}};
    const char *fault = NULL;
    for (int i = 0; fault == NULL && i < 3; i++) {
        fault = failed_with(connection, PQexec(connection, statements[i][0]), statements[i][1]);
    }
    return fault;
}

static const char *cancel(PGconn *connection) {
    PGconn *other = session();
    char look[200], refused[256] = "";
    snprintf(look, sizeof look, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and pid = %d",
             PQbackendPID(connection));
    PQsendQuery(connection, "select pg_sleep(60)");
    while (PQstatus(other) == CONNECTION_OK && answers(other, look, "1") != NULL) {
        /* The statement ends by itself after a minute. */
        if (!PQconsumeInput(connection) || !PQisBusy(connection)) {
            break;
        }
        poll(NULL, 0, 10);
    }
    PGcancel *request = PQgetCancel(connection);
    int sent = PQcancel(request, refused, sizeof refused);
    PQfreeCancel(request);
    PQfinish(other);
    if (!sent) {
        return wrong("%s", refused);
    }
    PGresult *result = PQgetResult(connection);
    PQclear(PQgetResult(connection));
    return failed_with(connection, result, "57014");
}

static const char *transaction(PGconn *connection) {
    PGconn *other = session();
    const char *look = "select coalesce(sum(n), 0) from drivers_libpq", *fault = NULL;
    const struct {
        PGconn *where;
        const char *sql, *value;
    } steps[] = {
        {connection, "create table drivers_libpq (n int)", NULL},
        {connection, "begin", NULL},
        {connection, "insert into drivers_libpq values (1)", NULL},
        {connection, look, "1"},
        {connection, "rollback", NULL},
        {other, look, "0"},
        {connection, "begin", NULL},
        {connection, "insert into drivers_libpq values (2)", NULL},
        {other, look, "0"},
        {connection, "commit", NULL},
        {other, look, "2"},
        {connection, "drop table drivers_libpq", NULL},
    };
    for (size_t i = 0; fault == NULL && i < sizeof steps / sizeof *steps; i++) {
        fault = answers(steps[i].where, steps[i].sql, steps[i].value);
    }
    PQfinish(other);
    return fault;
}

/* A line as COPY writes it, with what it has to escape. */
static int copy_line(char *line, size_t size, int number) {
    char twice[20] = "\\N";
    if (number % 10 != 0) {
        snprintf(twice, sizeof twice, "%d", number * 2);
    }
    return snprintf(line, size, "%d\trow %d \xe2\x98\x83 \\t \\\\ \\n\t%s\n", number, number, twice);
}

static const char *copy_out(PGconn *connection) {
    char line[100], *got;
    int number = 0, length;
    const char *fault = NULL;
    PQclear(PQexec(connection, "copy (select * from copied order by n) to stdout"));
    while ((length = PQgetCopyData(connection, &got, 0)) > 0) {
        number++;
        if (fault == NULL && (copy_line(line, sizeof line, number) != length || memcmp(line, got, length) != 0)) {
            fault = wrong("line %d: got %s, not %s", number, got, line);
        }
        PQfreemem(got);
    }
    PQclear(PQgetResult(connection));
    PQclear(PQgetResult(connection));
    return fault ? fault : length != -1 || number != COPY_ROWS ? wrong("%d lines: %s", number, PQerrorMessage(connection)) : NULL;
}

static const char *copy(PGconn *connection) {
    const char *fault = answers(connection, "create temporary table copied (n int, t text, twice int)", NULL);
    if (fault != NULL) {
        return fault;
    }
    PQclear(PQexec(connection, "copy copied from stdin"));
    for (int number = 1; number <= COPY_ROWS; number++) {
        char line[100];
        if (PQputCopyData(connection, line, copy_line(line, sizeof line, number)) != 1) {
            return wrong("%s", PQerrorMessage(connection));
        }
    }
    if (PQputCopyEnd(connection, NULL) != 1) {
        return wrong("%s", PQerrorMessage(connection));
    }
    PGresult *result = PQgetResult(connection);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fault = wrong("%s", PQresultErrorMessage(result));
    }
    PQclear(result);
    PQclear(PQgetResult(connection));
    fault = fault ? fault : answers(connection, "select count(*) || ' ' || sum(n) || ' ' || sum(twice) from copied",
                                    "10000 50005000 90000000");
    return fault ? fault : copy_out(connection);
}

/* NULL if the connection is refused with this text. Takes the connection. */
static const char *refused(PGconn *connection, const char *text) {
    const char *fault = PQstatus(connection) == CONNECTION_OK ? wrong("not refused with %s", text)
                        : strstr(PQerrorMessage(connection), text) == NULL
                            ? wrong("%s is not in: %s", text, PQerrorMessage(connection))
                            : NULL;
    PQfinish(connection);
    return fault;
}

static const char *tls_modes(PGconn *connection) {
    const char *password = setting("PROXY_PASSWORD"), *fault = PQsslInUse(connection) ? NULL : wrong("no TLS");
    if (fault == NULL) {
        fault = refused(connect_to("PROXY_PORT", "verify-full", setting("PROXY_WRONG_CA"), password), "certificate verify failed");
    }
    if (fault == NULL) {
        fault = refused(connect_to("PROXY_PORT", "disable", NULL, password), "TLS is required");
    }
    if (fault == NULL) {
        PGconn *plain = connect_to("PROXY_PLAIN_PORT", "disable", NULL, password);
        fault = PQstatus(plain) != CONNECTION_OK ? wrong("%s", PQerrorMessage(plain))
                : PQsslInUse(plain)              ? wrong("TLS")
                                                 : answers(plain, "select current_user", "IAMR:rs01");
        PQfinish(plain);
    }
    return fault;
}

static const char *wrong_password(PGconn *connection) {
    (void)connection;
    return refused(connect_to("PROXY_PORT", "verify-full", setting("PROXY_CA"), "wrong"), "password authentication failed for user");
}

/* The next result, by libpq's asynchronous calls alone; NULL at the end, and when nothing came for so long. */
static PGresult *next_result(PGconn *connection, int *stalled) {
    struct pollfd ready = {PQsocket(connection), POLLIN, 0};
    while (PQisBusy(connection)) {
        int count = poll(&ready, 1, STALL_SECS * 1000);
        if (count == 0 || (count > 0 && !PQconsumeInput(connection))) {
            *stalled = count == 0;
            return NULL;
        }
        if (count < 0 && errno != EINTR) {
            return NULL;
        }
    }
    return PQgetResult(connection);
}

static long resident(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static const char *gigabyte(PGconn *connection) {
    long before = resident();
    int number = 0, stalled = 0, ended = 0;
    const char *fault = NULL;
    PGresult *result;
    PQsetnonblocking(connection, 1);
    PQsendQuery(connection, "select n, repeat(md5(n::text), 512) from generate_series(1, 65536) n");
    PQsetSingleRowMode(connection);
    while (PQflush(connection) == 1) {
        struct pollfd writable = {PQsocket(connection), POLLOUT, 0};
        poll(&writable, 1, STALL_SECS * 1000);
    }
    while ((result = next_result(connection, &stalled)) != NULL) {
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
            const char *octets = PQgetvalue(result, 0, 1);
            number++;
            if (fault == NULL && (atoi(PQgetvalue(result, 0, 0)) != number || PQgetlength(result, 0, 1) != GIGABYTE_ROW_BYTES ||
                                  memcmp(octets, octets + 32, GIGABYTE_ROW_BYTES - 32) != 0)) {
                fault = wrong("row %d is another", number);
            }
        } else {
            ended = PQresultStatus(result) == PGRES_TUPLES_OK;
        }
        PQclear(result);
    }
    PQsetnonblocking(connection, 0);
    long held = resident() - before;
    return stalled                                    ? wrong("nothing for %d s after %d rows", STALL_SECS, number)
           : fault != NULL                            ? fault
           : !ended || number != GIGABYTE_ROWS        ? wrong("%d rows: %s", number, PQerrorMessage(connection))
           : held > GIGABYTE_MEMORY                   ? wrong("%ld KiB held", held)
                                                      : NULL;
}

/* Results of many sizes, each of which ends with another last record of TLS. */
static const char *result_sizes(PGconn *connection) {
    const char *fault = NULL;
    for (int width = 30; fault == NULL && width < 20000; width = width * 2 + 7) {
        for (int size = 9000; fault == NULL && size < 200000; size += size / 17) {
            int count = size / width, stalled = 0;
            char sql[100];
            PGresult *result;
            snprintf(sql, sizeof sql, "select repeat('x', %d) from generate_series(1, %d)", width, count);
            PQsendQuery(connection, sql);
            while ((result = next_result(connection, &stalled)) != NULL) {
                if (PQntuples(result) != count) {
                    fault = wrong("%d rows of %d, %d bytes each: %s", PQntuples(result), count, width, PQerrorMessage(connection));
                }
                PQclear(result);
            }
            if (stalled) {
                fault = wrong("nothing for %d s of %d rows of %d bytes each", STALL_SECS, count, width);
            }
        }
    }
    return fault;
}

int main(void) {
    const struct {
        const char *name, *(*check)(PGconn *);
    } checks[] = {
        {"login", login},
        {"typed parameters", typed_parameters},
        {"100,000 rows", rows},
        {"error", error},
        {"cancel", cancel},
        {"transaction", transaction},
        {"copy", copy},
        {"TLS modes", tls_modes},
        {"wrong password", wrong_password},
        {"1 GB result", gigabyte},
        {"result sizes", result_sizes},
    };
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("version %d.%d\n", PQlibVersion() / 10000, PQlibVersion() % 10000);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        PGconn *connection = session();
        const char *fault = checks[i].check(connection);
        if (fault != NULL) {
            printf("fail %s %s\n", checks[i].name, fault);
            failed = 1;
        } else {
            printf("ok %s\n", checks[i].name);
        }
        PQfinish(connection);
    }
    return failed;
}
