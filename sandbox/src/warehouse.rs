//! The Redshift face.
