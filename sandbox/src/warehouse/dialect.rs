//! Statements in Redshift's words, in those of the PostgreSQL behind the warehouse: what tools send
//! that PostgreSQL would refuse, as far as tools of `make drivers` send it. Of what a statement
//! asks the catalog, the answers are in `postgres/catalog.sql`. All else is left as it is.

mod show;
mod tokens;

use std::borrow::Cow;

use self::tokens::{Token, lex};
use crate::wire;

/// Longest message looked at, in bytes: statements about the catalog are shorter, and inserts need
/// not be copied.
const MAX_STATEMENT_BYTES: u32 = 64 * 1024;

/// Catalog tables that have columns of Redshift's own, and the columns and views by which a
/// statement shows that it means them.
const TABLES: [&str; 3] = ["pg_class", "pg_attribute", "pg_attrdef"];
const MARKS: [&str; 8] = [
    "reldiststyle",
    "relcreationtime",
    "attencodingtype",
    "attisdistkey",
    "attsortkeyord",
    "adsrc",
    "svv_external_tables",
    "svv_external_columns",
];

/// Types that have a longest length, which `max` stands for.
const TEXTS: [&str; 4] = ["varchar", "varying", "nvarchar", "char"];
const MAX_TEXT_BYTES: &str = "65535";

/// Types that are domains here, which take no length.
const DOMAINS: [&str; 2] = ["varbyte", "varbinary"];

/// Whether a client's message may hold a statement: Query or Parse.
pub(super) fn is_statement(kind: u8, length: u32) -> bool {
    matches!(kind, b'Q' | b'P') && length <= MAX_STATEMENT_BYTES
}

/// The body of a Query or Parse message with its statement in PostgreSQL's words; `None`: as it
/// was.
pub(super) fn message(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let (name, rest) =
        if kind == b'P' { wire::text(body).map(|(name, rest)| (Some(name), rest))? } else { (None, body) };
    let (sql, rest) = wire::text(rest)?;
    let sql = translated(sql)?;
    let mut changed = Vec::with_capacity(body.len() + sql.len());
    name.into_iter()
        .chain([sql.as_str()])
        .for_each(|text| wire::push_text(&mut changed, text));
    changed.extend_from_slice(rest);
    Some(changed)
}

fn translated(sql: &str) -> Option<String> {
    let mut tokens = lex(sql);
    if let Some(query) = show::query(&tokens) {
        return Some(query);
    }
    for rule in [longest_texts, domains, where_one, no_schema_binding, late_binding_views, catalog_tables] {
        rule(&mut tokens);
    }
    let changed = tokens
        .iter()
        .any(|token| matches!(token.text, Cow::Owned(_)));
    changed.then(|| tokens.iter().map(|token| token.text.as_ref()).collect())
}

/// `varchar(max)`
fn longest_texts(tokens: &mut [Token<'_>]) {
    for at in windows(tokens, &[&TEXTS, &["("], &["max"], &[")"]]) {
        replace(tokens, at.get(2), MAX_TEXT_BYTES);
    }
}

/// `varbyte(20)`
fn domains(tokens: &mut [Token<'_>]) {
    let lengths = windows(tokens, &[&DOMAINS, &["("], &[], &[")"]]);
    lengths
        .iter()
        .flat_map(|at| at.iter().skip(1))
        .for_each(|at| replace(tokens, Some(at), ""));
}

/// `where 1 and …`: in Redshift an integer is a condition.
fn where_one(tokens: &mut [Token<'_>]) {
    let conditions =
        windows(tokens, &[&["where"], &["1"], &["and", "or", "union", "order", "group", "limit", ")", ";"]]);
    for at in conditions {
        replace(tokens, at.get(1), "true");
    }
}

/// `create view … with no schema binding`: here the view is bound early.
fn no_schema_binding(tokens: &mut [Token<'_>]) {
    let clauses = windows(tokens, &[&["with"], &["no"], &["schema"], &["binding"]]);
    clauses
        .iter()
        .flatten()
        .for_each(|at| replace(tokens, Some(at), ""));
}

/// `pg_get_late_binding_view_cols() name(columns…)`: a view has the columns without being told.
fn late_binding_views(tokens: &mut [Token<'_>]) {
    for at in windows(tokens, &[&["pg_get_late_binding_view_cols"], &["("], &[")"], &[], &["("]]) {
        let Some(open) = at.get(4) else { continue };
        let close = tokens
            .iter()
            .skip(*open)
            .position(|token| token.is(")"))
            .map(|after| open + after);
        let Some(close) = close else { continue };
        replace(tokens, at.first(), "pg_redshift.late_binding_view_cols");
        at.get(1..3)
            .into_iter()
            .flatten()
            .for_each(|at| replace(tokens, Some(at), ""));
        (*open..=close).for_each(|at| replace(tokens, Some(&at), ""));
    }
}

/// Catalog tables with Redshift's columns, in statements that name one.
fn catalog_tables(tokens: &mut [Token<'_>]) {
    if !tokens
        .iter()
        .any(|token| MARKS.iter().any(|mark| token.is(mark)))
    {
        return;
    }
    for at in windows(tokens, &[&["pg_catalog"], &["."], &TABLES]) {
        replace(tokens, at.first(), "pg_redshift");
    }
    for at in windows(tokens, &[&["from", "join", ","], &TABLES]) {
        let Some(name) = at
            .get(1)
            .and_then(|at| tokens.get(*at))
            .map(|token| token.text.to_string())
        else {
            continue;
        };
        replace(tokens, at.get(1), &format!("pg_redshift.{name}"));
    }
}

/// Where in the tokens, blanks left out, each of these stands in a row; no words at all stand for
/// any token.
fn windows(tokens: &[Token<'_>], wanted: &[&[&str]]) -> Vec<Vec<usize>> {
    let solid: Vec<_> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !token.is_blank())
        .collect();
    let fits = |token: &Token<'_>, words: &[&str]| words.is_empty() || words.iter().any(|word| token.is(word));
    let rows = solid.windows(wanted.len());
    let fitting = rows.filter(|row| {
        row.iter()
            .zip(wanted)
            .all(|((_, token), words)| fits(token, words))
    });
    fitting
        .map(|row| row.iter().map(|(at, _)| *at).collect())
        .collect()
}

fn replace(tokens: &mut [Token<'_>], at: Option<&usize>, text: &str) {
    if let Some(token) = at.and_then(|at| tokens.get_mut(*at)) {
        token.text = Cow::Owned(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_put_into_postgresqls_words() {
        for (redshift, postgres) in [
            (
                "create table t (a varchar(max), b CHARACTER VARYING ( MAX ))",
                "create table t (a varchar(65535), b CHARACTER VARYING ( 65535 ))",
            ),
            ("create table t (a varbyte(20), b varbinary)", "create table t (a varbyte, b varbinary)"),
            (
                "select 1 where 1 and a = 2 union select 2 WHERE 1\n ORDER BY 1",
                "select 1 where true and a = 2 union select 2 WHERE true\n ORDER BY 1",
            ),
            (
                "select c.reldiststyle, 'pg_catalog.pg_class'::regclass from pg_catalog.pg_class c join pg_attribute a on a.x = pg_class.y",
                "select c.reldiststyle, 'pg_catalog.pg_class'::regclass from pg_redshift.pg_class c \
                 join pg_redshift.pg_attribute a on a.x = pg_class.y",
            ),
            (
                "from pg_get_late_binding_view_cols() cols(\n view_schema name, col_num int) where 1 or x",
                "from pg_redshift.late_binding_view_cols cols where true or x",
            ),
            ("create view v as select 1 with no schema binding;", "create view v as select 1    ;"),
            ("SHOW DATABASES;", "SELECT * FROM pg_redshift.show_databases(NULL)"),
            (
                "show columns from table $1.$2.\"My \"\"T\" like 'a%'",
                "SELECT * FROM pg_redshift.show_columns($1::text, $2::text, 'My \"T', 'a%')",
            ),
        ] {
            assert_eq!(translated(redshift).as_deref(), Some(postgres), "{redshift}");
        }
    }

    #[test]
    fn all_else_is_left_alone() {
        for sql in [
            "",
            "select max(a) from t where 1 = 1",
            "select 'varchar(max)', \"where 1 and\" -- varchar(max)\n /* varchar(max) */ , $$varchar(max)$$, $x$varchar(max)$x$",
            "select * from pg_catalog.pg_class",
            "select 'reldiststyle' from pg_catalog.pg_class",
            "show timezone",
            "show tables",
            "insert into t values ('it''s \\' where 1 and')",
            "select 'unterminated where 1 and",
        ] {
            assert_eq!(translated(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_message_keeps_what_is_around_its_statement() {
        assert_eq!(message(b'Q', b"select 1 where 1 or x\0").unwrap(), b"select 1 where true or x\0");
        assert_eq!(
            message(b'P', b"name\0select 1 where 1 or x\0\0\x01\0\0\0\x17").unwrap(),
            b"name\0select 1 where true or x\0\0\x01\0\0\0\x17"
        );
        assert_eq!(message(b'P', b"show databases\0select 1\0\0\0"), None);
        assert_eq!(message(b'Q', b"\xff where 1 or\0"), None);
    }
}
