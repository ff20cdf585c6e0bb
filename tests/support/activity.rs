//! The activity of PostgreSQL's sessions, as it reports it over its local socket.

use redshift_sandbox::sandbox::Sandbox;

/// A superuser's session beside the warehouse.
pub(crate) struct Activity(tokio_postgres::Client);

impl Activity {
    pub(crate) async fn of(sandbox: &Sandbox) -> Self {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(sandbox.postgres.socket_dir())
            .port(sandbox.postgres.port())
            .user("postgres");
        let (client, connection) = config
            .dbname("dev")
            .connect(tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(client)
    }

    /// Until a session of the role waits for this (pg_stat_activity.wait_event), and goes on to.
    pub(crate) async fn wait_for(&self, wait_event: &str) {
        let sql = "select count(*) from pg_stat_activity where usename like 'IAMR:%' and wait_event = $1";
        let mut steady = 0;
        let asked = async {
            while steady < 50 {
                let count: i64 = self.0.query_one(sql, &[&wait_event]).await.unwrap().get(0);
                steady = if count > 0 { steady + 1 } else { 0 };
            }
        };
        tokio::time::timeout(super::raw::SOON, asked)
            .await
            .expect("the session waits");
    }

    /// Runs statements as the superuser.
    pub(crate) async fn execute(&self, sql: &str) {
        self.0.batch_execute(sql).await.unwrap();
    }

    /// The number of rows that are selected from there.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        let sql = format!("select count(*) from {from}");
        self.0.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Sessions of the role.
    pub(crate) async fn sessions(&self) -> i64 {
        let sql = "select count(*) from pg_stat_activity where usename like 'IAMR:%'";
        self.0.query_one(sql, &[]).await.unwrap().get(0)
    }
}
