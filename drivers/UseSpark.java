import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * The statements of Spark's JDBC source and sink, over pgjdbc as Spark sends them (JdbcUtils, JDBCRDD, JDBCRelation and
 * PostgresDialect of Spark 4.3), without Spark itself, of which a download has more than 400 MB.
 */
public final class UseSpark {
    private static final String TABLE = "public.drivers_spark";
    private static final int ROWS = 1000;

    private static String setting(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw new IllegalStateException(name + " is not set");
        }
        return value;
    }

    private static Connection connect(String connId) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", setting("PROXY_USER") + "~" + connId);
        properties.setProperty("password", setting("PROXY_PASSWORD"));
        properties.setProperty("sslmode", "verify-full");
        properties.setProperty("sslrootcert", setting("PROXY_CA"));
        properties.setProperty("loginTimeout", "120");
        String place = setting("PROXY_HOST") + ":" + setting("PROXY_PORT");
        return DriverManager.getConnection("jdbc:postgresql://" + place + "/" + setting("PROXY_REAL_DATABASE"), properties);
    }

    private static void same(Object got, Object want) {
        if (!want.equals(got)) {
            throw new AssertionError("got " + got + ", not " + want);
        }
    }

    private static void names() throws SQLException {
        String second = setting("PROXY_OTHER_DATABASE");
        for (String connId : List.of(setting("PROXY_DATABASE"), second)) {
            try (Connection connection = connect(connId); Statement statement = connection.createStatement();
                    ResultSet rows = statement.executeQuery("SELECT current_database(), current_setting('application_name')")) {
                rows.next();
                // What Spark's catalog and pgjdbc's metadata ask for is of this database.
                same(rows.getString(1), connection.getCatalog());
                same(rows.getString(2).equals(second), connId.equals(second));
            }
        }
    }

    private static void metadata() throws SQLException {
        try (Connection connection = connect(setting("PROXY_DATABASE"))) {
            write(connection);
            List<String> columns = new ArrayList<>();
            // The schema of a table, and of a query.
            for (String relation : List.of(TABLE, "(SELECT n, t FROM " + TABLE + ") SPARK_GEN_SUBQ_0")) {
                try (PreparedStatement asked = connection.prepareStatement("SELECT * FROM " + relation + " WHERE 1=0");
                        ResultSet none = asked.executeQuery()) {
                    columns.add(none.getMetaData().getColumnTypeName(1) + " " + none.getMetaData().getColumnTypeName(2));
                }
            }
            same(columns, List.of("int8 text", "int8 text"));
            try (ResultSet tables = connection.getMetaData().getTables(setting("PROXY_REAL_DATABASE"), "public", "drivers_spark", null)) {
                same(tables.next(), true);
            }
        }
        long rows = 0;
        for (String part : List.of("\"n\" < 334 or \"n\" is null", "\"n\" >= 334 AND \"n\" < 667", "\"n\" >= 667")) {
            rows += read(part);
        }
        same(rows, (long) ROWS);
        try (Connection connection = connect(setting("PROXY_DATABASE")); Statement statement = connection.createStatement()) {
            statement.executeUpdate("DROP TABLE " + TABLE);
        }
    }

    /** As mode("overwrite") does: one transaction, in batches. */
    private static void write(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("DROP TABLE IF EXISTS " + TABLE);
            statement.executeUpdate("CREATE TABLE " + TABLE + " (\"n\" BIGINT , \"t\" TEXT )");
        }
        connection.setAutoCommit(false);
        connection.setTransactionIsolation(Connection.TRANSACTION_READ_UNCOMMITTED);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + TABLE + " (\"n\",\"t\") VALUES (?,?)")) {
            for (int n = 0; n < ROWS; n++) {
                insert.setLong(1, n);
                insert.setString(2, "row " + n);
                insert.addBatch();
            }
            insert.executeBatch();
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    /** One partition, by a session of its own and a cursor of the server's. */
    private static long read(String part) throws SQLException {
        try (Connection connection = connect(setting("PROXY_DATABASE"))) {
            connection.setAutoCommit(false);
            try (PreparedStatement asked = connection.prepareStatement("SELECT \"n\",\"t\" FROM " + TABLE + "  WHERE " + part,
                    ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
                asked.setFetchSize(100);
                long rows = 0;
                try (ResultSet all = asked.executeQuery()) {
                    while (all.next()) {
                        same(all.getString(2), "row " + all.getLong(1));
                        rows++;
                    }
                }
                connection.commit();
                return rows;
            }
        }
    }

    private interface Check {
        void run() throws Exception;
    }

    private static boolean passes(String name, Check check) {
        try {
            check.run();
            System.out.println("ok " + name);
            return true;
        } catch (Exception | AssertionError error) {
            System.out.println("fail " + name + " " + String.valueOf(error).replaceAll("\\s+", " "));
            error.printStackTrace();
            return false;
        }
    }

    public static void main(String[] arguments) {
        System.out.println("version " + org.postgresql.Driver.class.getPackage().getImplementationVersion());
        boolean passed = passes("names", UseSpark::names);
        passed &= passes("metadata", UseSpark::metadata);
        System.exit(passed ? 0 : 1);
    }
}
