//! A real PostgreSQL in a temporary folder.
