/* libpq as a C program uses it: connect with verify-full, ask one parameterised query, look at the answer. */

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "libpq: %s is not set\n", name);
        exit(2);
    }
    return value;
}

static int check(PGconn *connection) {
    const char *values[] = {"41", "na\xc3\xafve"};
    const char *want[] = {"IAMR:rs01", "42", values[1]};
    if (PQstatus(connection) != CONNECTION_OK) {
        fprintf(stderr, "libpq: %s", PQerrorMessage(connection));
        return 1;
    }
    if (!PQsslInUse(connection)) {
        fprintf(stderr, "libpq: no TLS\n");
        return 1;
    }
    PGresult *result = PQexecParams(connection, "select current_user, $1::int + 1, $2::text", 2, NULL, values, NULL, NULL, 0);
    int failed = PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQnfields(result) != 3;
    if (failed) {
        fprintf(stderr, "libpq: %s", PQresultErrorMessage(result));
    }
    for (int column = 0; !failed && column < 3; column++) {
        const char *got = PQgetvalue(result, 0, column);
        if (strcmp(got, want[column]) != 0) {
            fprintf(stderr, "libpq: column %d: got %s, not %s\n", column + 1, got, want[column]);
            failed = 1;
        }
    }
    PQclear(result);
    return failed;
}

int main(void) {
    const char *names[] = {"host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", NULL};
    const char *values[] = {setting("PROXY_HOST"), setting("PROXY_PORT"), setting("PROXY_USER"), setting("PROXY_PASSWORD"),
                            setting("PROXY_DATABASE"), "verify-full", setting("PROXY_CA"), NULL};
    PGconn *connection = PQconnectdbParams(names, values, 0);
    int failed = check(connection);
    PQfinish(connection);
    if (!failed) {
        printf("libpq %d.%d ok\n", PQlibVersion() / 10000, PQlibVersion() % 10000);
    }
    return failed;
}
