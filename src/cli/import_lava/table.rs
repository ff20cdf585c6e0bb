//! Reads all items of lava's table.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use thiserror::Error;
use tokio::time::timeout;

use crate::aws::{self, AwsError, Base, Call, Calls, NoRoots, Operation};
use crate::config::{Aws, HomeRegion, ItemValue};
use crate::spec::attributes;

/// The time-out of one page, its retries included.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of pages that are read at most; each is 1 MiB at most.
const MAX_PAGES: usize = 256;

/// Why a table could not be read.
#[derive(Debug, Error)]
pub(super) enum ScanError {
    /// The runtime for the scan could not be made.
    #[error("cannot set up the process")]
    Process(#[from] std::io::Error),
    /// The system has no CA certificates to verify AWS with.
    #[error(transparent)]
    NoRoots(#[from] NoRoots),
    /// A Scan call failed.
    #[error(transparent)]
    Call(#[from] AwsError),
    /// The table has more pages than [`MAX_PAGES`].
    #[error("the table is larger than {MAX_PAGES} MiB: that cannot be lava's")]
    Large,
}

/// Reads a table to its end, under the base identity.
///
/// # Errors
/// See [`ScanError`].
pub(super) fn scan(
    table: &str,
    aws: &Aws,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<BTreeMap<String, ItemValue>>, ScanError> {
    aws::require_roots()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let calls = Calls::new(Base::from_environment(aws, HomeRegion::Needed, env).await, PAGE_TIMEOUT / 3, None);
        pages(table, &calls).await
    })
}

async fn pages(table: &str, calls: &Calls) -> Result<Vec<BTreeMap<String, ItemValue>>, ScanError> {
    let (mut items, mut start) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let (page, next) = timeout(PAGE_TIMEOUT, page(table, calls, start))
            .await
            .map_err(|_elapsed| AwsError::Deadline { name: format!("Scan {table}"), after: PAGE_TIMEOUT })??;
        items.extend(page.into_iter().map(attributes));
        if next.is_none() {
            return Ok(items);
        }
        start = next;
    }
    Err(ScanError::Large)
}

type Key = Option<HashMap<String, AttributeValue>>;

/// Reads one page of the table, and where the next begins.
async fn page(table: &str, calls: &Calls, start: Key) -> Result<(Vec<HashMap<String, AttributeValue>>, Key), AwsError> {
    let clients = calls.clients(None);
    let send = || {
        clients
            .dynamodb()
            .scan()
            .table_name(table)
            .set_exclusive_start_key(start.clone())
            .send()
    };
    let read = |answer: ScanOutput| {
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((answer.items.unwrap_or_default(), next))
    };
    calls
        .make(&Call::new(Operation::Scan, table), (None, None), None, send, read)
        .await
}
