//! A test CA and the certificates it signs.
