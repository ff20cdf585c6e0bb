// pgjdbc: PostgreSQL's own JDBC driver. Prints what it finds as run.py says of every program here.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Arrays;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public final class UsePgjdbc {
    private static final int ROWS = 100_000;
    private static final int COPIED = 10_000;
    private static final String TABLE = "drivers_pgjdbc";

    private static boolean failed;

    /** One thing to find out; whatever it throws is why not. */
    private interface Check {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        Driver driver = DriverManager.getDriver("jdbc:postgresql://localhost/");
        say("version " + driver.getClass().getPackage().getImplementationVersion());
        check("login", UsePgjdbc::login);
        check("typed parameters", UsePgjdbc::typedParameters);
        check("100,000 rows", UsePgjdbc::rows);
        check("error", UsePgjdbc::error);
        check("cancel", UsePgjdbc::cancel);
        check("transaction", UsePgjdbc::transaction);
        check("copy", UsePgjdbc::copy);
        check("TLS modes", UsePgjdbc::tlsModes);
        check("wrong password", UsePgjdbc::wrongPassword);
        check("url", UsePgjdbc::url);
        check("console", UsePgjdbc::console);
        System.exit(failed ? 1 : 0);
    }

    private static void login() throws Exception {
        try (Connection connection = connect()) {
            equal("IAMR:rs01", one(connection, "select current_user"));
        }
    }

    private static void typedParameters() throws Exception {
        Timestamp at = Timestamp.valueOf("2026-02-28 23:59:59.123456");
        byte[] bytes = {0, 1, 0x7f, (byte) 0x80, (byte) 0xff, '\\', '\''};
        String sql = "select ?::int, ?::text, ?::int, ?::bool, ?::numeric, ?::timestamp, ?::bytea";
        try (Connection connection = connect(); PreparedStatement statement = connection.prepareStatement(sql)) {
            // The sixth time on, pgjdbc names the statement and takes values in binary.
            for (int time = 0; time < 7; time++) {
                statement.setInt(1, Integer.MIN_VALUE);
                statement.setString(2, "naïve 日本 🦀 \\ '");
                statement.setNull(3, Types.INTEGER);
                statement.setBoolean(4, true);
                statement.setBigDecimal(5, new BigDecimal("-12345678901234567890.000000001"));
                statement.setTimestamp(6, at);
                statement.setBytes(7, bytes);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    equal(Integer.MIN_VALUE, row.getInt(1));
                    equal("naïve 日本 🦀 \\ '", row.getString(2));
                    equal(null, row.getObject(3));
                    equal(true, row.getBoolean(4));
                    equal(new BigDecimal("-12345678901234567890.000000001"), row.getBigDecimal(5));
                    equal(at, row.getTimestamp(6));
                    equal(Arrays.toString(bytes), Arrays.toString(row.getBytes(7)));
                }
            }
        }
    }

    private static void rows() throws Exception {
        String sql = "select n, 'row ' || n from generate_series(1, " + ROWS + ") n";
        try (Connection connection = connect()) {
            // Whole, and by a cursor.
            for (int fetchSize : new int[] {0, 1000}) {
                connection.setAutoCommit(fetchSize == 0);
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(fetchSize);
                    long sum = 0;
                    String last = null;
                    try (ResultSet row = statement.executeQuery(sql)) {
                        while (row.next()) {
                            sum += row.getInt(1);
                            last = row.getString(2);
                        }
                    }
                    equal(ROWS * (ROWS + 1L) / 2, sum);
                    equal("row " + ROWS, last);
                }
            }
        }
    }

    private static void error() throws Exception {
        try (Connection connection = connect()) {
            equal("22012", refused(() -> one(connection, "select 1 / 0")).getSQLState());
            equal("42P01", refused(() -> one(connection, "select * from no_such_table")).getSQLState());
            equal("2", one(connection, "select 1 + 1"));
        }
    }

    private static void cancel() throws Exception {
        try (Connection connection = connect(); Connection other = connect();
                Statement statement = connection.createStatement()) {
            String pid = one(connection, "select pg_backend_pid()");
            CompletableFuture<SQLException> end = CompletableFuture.supplyAsync(() -> {
                try {
                    return refused(() -> statement.execute("select pg_sleep(60)"));
                } catch (Exception unexpected) {
                    throw new IllegalStateException(unexpected);
                }
            });
            while (!"PgSleep".equals(one(other, "select wait_event from pg_stat_activity where pid = " + pid))) {
                if (end.isDone()) {
                    break;
                }
            }
            statement.cancel();
            equal("57014", end.get().getSQLState());
            equal("2", one(connection, "select 1 + 1"));
        }
    }

    private static void transaction() throws Exception {
        try (Connection connection = connect(); Connection other = connect()) {
            run(connection, "drop table if exists " + TABLE);
            run(connection, "create table " + TABLE + " (n int)");
            String count = "select count(*) from " + TABLE;
            connection.setAutoCommit(false);
            run(connection, "insert into " + TABLE + " values (1)");
            equal("0", one(other, count));
            connection.rollback();
            equal("0", one(other, count));
            run(connection, "insert into " + TABLE + " values (2)");
            equal("0", one(other, count));
            connection.commit();
            equal("1", one(other, count));
            connection.setAutoCommit(true);
            run(connection, "drop table " + TABLE);
        }
    }

    private static void copy() throws Exception {
        StringBuilder text = new StringBuilder();
        for (int n = 1; n <= COPIED; n++) {
            text.append(n).append("\tnaïve ").append(n).append('\n');
        }
        try (Connection connection = connect()) {
            run(connection, "create temp table copied (n int, t text)");
            CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
            equal((long) COPIED, copies.copyIn("copy copied from stdin", new StringReader(text.toString())));
            StringWriter back = new StringWriter();
            equal((long) COPIED, copies.copyOut("copy (select * from copied order by n) to stdout", back));
            equal(true, text.toString().equals(back.toString()));
            equal("2", one(connection, "select 1 + 1"));
        }
    }

    private static void tlsModes() throws Exception {
        String ca = set("PROXY_CA");
        for (String mode : new String[] {"require", "verify-ca", "verify-full"}) {
            try (Connection connection = connect(mode, ca, set("PROXY_PORT"), set("PROXY_PASSWORD"))) {
                equal("1", one(connection, "select 1"));
            }
        }
        String stranger = set("PROXY_WRONG_CA");
        SQLException error = refused(() -> connect("verify-full", stranger, set("PROXY_PORT"), set("PROXY_PASSWORD")));
        holds("PKIX path", String.valueOf(error.getCause()) + error.getMessage());
        error = refused(() -> connect("disable", ca, set("PROXY_PORT"), set("PROXY_PASSWORD")));
        equal("28000", error.getSQLState());
        holds("TLS is required (session ", error.getMessage());
        try (Connection connection = connect("disable", ca, set("PROXY_PLAIN_PORT"), set("PROXY_PASSWORD"))) {
            equal("1", one(connection, "select 1"));
        }
        // Without TLS it is refused, and comes again with TLS by itself.
        try (Connection connection = connect("allow", ca, set("PROXY_PORT"), set("PROXY_PASSWORD"))) {
            equal("1", one(connection, "select 1"));
        }
    }

    private static void wrongPassword() throws Exception {
        String ca = set("PROXY_CA");
        SQLException error = refused(() -> connect("verify-full", ca, set("PROXY_PORT"), "wrong"));
        equal("28P01", error.getSQLState());
        holds("password authentication failed for user \"" + set("PROXY_USER") + "\" (session ", error.getMessage());
    }

    /** What `redshift-iam-proxy url --format jdbc` prints: no password, and not which CA to trust. */
    private static void url() throws Exception {
        Properties properties = new Properties();
        properties.setProperty("password", set("PROXY_PASSWORD"));
        properties.setProperty("sslrootcert", set("PROXY_CA"));
        try (Connection connection = DriverManager.getConnection(set("PROXY_URL_JDBC"), properties)) {
            equal("IAMR:rs01", one(connection, "select current_user"));
        }
    }

    /** The proxy's own console, in place of a database: by the extended protocol and by the simple one, with and without a transaction. */
    private static void console() throws Exception {
        for (String mode : new String[] {"extended", "simple"}) {
            Properties properties = new Properties();
            properties.setProperty("user", set("PROXY_USER"));
            properties.setProperty("password", set("PROXY_PASSWORD"));
            properties.setProperty("sslmode", "verify-full");
            properties.setProperty("sslrootcert", set("PROXY_CA"));
            properties.setProperty("preferQueryMode", mode);
            String url = "jdbc:postgresql://" + set("PROXY_HOST") + ":" + set("PROXY_PORT") + "/proxy_admin";
            try (Connection connection = DriverManager.getConnection(url, properties)) {
                equal(true, connection.isValid(10));
                // The sixth time it is prepared under a name, and its columns come in binary.
                try (PreparedStatement statement = connection.prepareStatement("SHOW SESSIONS")) {
                    for (int turn = 0; turn < 8; turn++) {
                        try (ResultSet row = statement.executeQuery()) {
                            row.next();
                            equal("console", row.getString("state"));
                            equal(Types.BIGINT, row.getMetaData().getColumnType(row.findColumn("bytes_up")));
                            equal(true, row.getLong("bytes_up") > 0);
                            long age = System.currentTimeMillis() - row.getTimestamp("connected").getTime();
                            equal(true, age >= 0 && age < 600_000);
                        }
                    }
                }
                connection.setAutoCommit(false);
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(2);
                    try (ResultSet row = statement.executeQuery("SHOW HELP")) {
                        int rows = 0;
                        while (row.next()) {
                            rows++;
                        }
                        equal(true, rows > 20);
                    }
                }
                equal("42601", refused(() -> one(connection, "SHOW POOLS")).getSQLState());
                connection.rollback();
                equal("1", one(connection, "SELECT 1"));
                connection.commit();
            }
        }
    }

    private static Connection connect() throws SQLException {
        return connect("verify-full", set("PROXY_CA"), set("PROXY_PORT"), set("PROXY_PASSWORD"));
    }

    private static Connection connect(String mode, String ca, String port, String password) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", set("PROXY_USER"));
        properties.setProperty("password", password);
        properties.setProperty("sslmode", mode);
        properties.setProperty("sslrootcert", ca);
        String url = "jdbc:postgresql://" + set("PROXY_HOST") + ":" + port + "/" + set("PROXY_DATABASE");
        return DriverManager.getConnection(url, properties);
    }

    private static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static String one(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getString(1);
        }
    }

    private static SQLException refused(Check check) throws Exception {
        try {
            check.run();
        } catch (SQLException error) {
            return error;
        }
        throw new IllegalStateException("no error");
    }

    private static void equal(Object want, Object got) {
        if (!Objects.equals(want, got)) {
            throw new IllegalStateException("got " + got + ", not " + want);
        }
    }

    private static void holds(String want, String got) {
        if (!got.contains(want)) {
            throw new IllegalStateException("no \"" + want + "\" in: " + got);
        }
    }

    private static String set(String name) {
        return Objects.requireNonNull(System.getenv(name), name);
    }

    private static void check(String name, Check check) {
        try {
            check.run();
            say("ok " + name);
        } catch (Exception error) {
            failed = true;
            say("fail " + name + " " + String.valueOf(error).replaceAll("\\s+", " "));
        }
    }

    private static void say(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
