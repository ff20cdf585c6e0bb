//! The values that are read elsewhere, each with its last read.

use super::Control;
use crate::operations::ReferenceStatus;
use crate::references::{LastReads, Watch};

/// Lists the values that are read again and again.
pub(super) fn all(control: &Control, watch: &Watch) -> Vec<ReferenceStatus> {
    watch
        .records()
        .iter()
        .map(|record| {
            let LastReads { last_read, last_error, errors } = record.reads();
            ReferenceStatus {
                key: record.key.clone(),
                reference: record.reference.clone(),
                last_read: last_read.map(|at| control.wall(at)),
                last_error: last_error.map(|(at, error)| (control.wall(at), error)),
                errors,
            }
        })
        .collect()
}
