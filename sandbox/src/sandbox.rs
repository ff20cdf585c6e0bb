//! Both halves together, as the program and end-to-end tests use them.

use std::sync::Arc;

use crate::aws::{Aws, AwsOptions};
use crate::ca::Ca;
use crate::error::StartError;
use crate::logins::Logins;
use crate::postgres::{Postgres, PostgresOptions};
use crate::warehouse::{Warehouse, WarehouseOptions};

/// A running sandbox. Dropping it ends everything, and PostgreSQL's folder is gone when the drop
/// returns.
pub struct Sandbox {
    /// Hands out logins.
    pub aws: Aws,
    /// Accepts them, as Redshift does.
    pub warehouse: Warehouse,
    /// Does the work behind the warehouse, and accepts the same logins at its own TLS door.
    pub postgres: Arc<Postgres>,
    /// The logins that `aws` minted.
    pub logins: Arc<Logins>,
    /// Signed the certificates of the warehouse and of PostgreSQL.
    pub ca: Ca,
}

impl Sandbox {
    /// Starts PostgreSQL, the warehouse in front of it, and the AWS endpoint whose workgroups and
    /// clusters lead there: the port of each becomes the warehouse's, and its host a name in the
    /// warehouse's certificate. Those that are put later have to be given both.
    ///
    /// # Errors
    /// When any part does not start; the others are ended again.
    pub async fn start(mut aws: AwsOptions, mut warehouse: WarehouseOptions) -> Result<Self, StartError> {
        let clusters = aws.clusters.values().map(|cluster| &cluster.host);
        for host in aws
            .workgroups
            .values()
            .map(|workgroup| &workgroup.host)
            .chain(clusters)
        {
            if !warehouse.names.contains(host) {
                warehouse.names.push(host.clone());
            }
        }
        let ca = Ca::new();
        let postgres = Arc::new(Postgres::start(PostgresOptions::new(&ca)).await?);
        let logins = Logins::new(Some(postgres.provision()));
        let warehouse = Warehouse::start(warehouse, Arc::clone(&postgres), &ca, Arc::clone(&logins)).await?;
        for workgroup in aws.workgroups.values_mut() {
            workgroup.port = warehouse.address().port();
        }
        for cluster in aws.clusters.values_mut() {
            cluster.port = warehouse.address().port();
        }
        let address = aws.listen;
        let aws = Aws::start(aws, Arc::clone(&logins)).await;
        let aws = aws.map_err(|source| StartError::Listen { address, source })?;
        Ok(Self { aws, warehouse, postgres, logins, ca })
    }
}
