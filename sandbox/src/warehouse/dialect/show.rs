//! `SHOW`, as AWS's drivers ask about databases, schemas, tables and columns (Amazon Redshift
//! Database Developer Guide, SHOW): a function of `postgres/catalog.sql` gives the rows.

use super::tokens::Token;

/// The words behind `SHOW`, the function, and of how many parts the name has: the first, the
/// database, may be missing.
const FORMS: [(&[&str], &str, usize); 7] = [
    (&["databases"], "show_databases", 0),
    (&["schemas", "from", "database"], "show_schemas", 1),
    (&["tables", "from", "schema"], "show_tables", 2),
    (&["columns", "from", "table"], "show_columns", 3),
    (&["constraints", "primary", "keys", "from", "table"], "show_primary_keys", 3),
    (&["constraints", "foreign", "keys", "from", "table"], "show_foreign_keys", 3),
    (&["constraints", "foreign", "keys", "exported", "from", "table"], "show_exported_keys", 3),
];

/// The query for the statement, if that is such a `SHOW`. PostgreSQL's own has the name of a
/// setting.
pub(super) fn query(tokens: &[Token<'_>]) -> Option<String> {
    let mut solid: Vec<_> = tokens.iter().filter(|token| !token.is_blank()).collect();
    while solid.pop_if(|token| token.is(";")).is_some() {}
    let (show, rest) = solid.split_first()?;
    if !show.is("show") {
        return None;
    }
    FORMS.iter().find_map(|(words, function, parts)| {
        let (head, tail) = rest.split_at_checked(words.len())?;
        let fits = head.iter().zip(*words).all(|(token, word)| token.is(word));
        let arguments = fits.then(|| arguments(tail, *parts))??;
        Some(format!("SELECT * FROM pg_redshift.{function}({})", arguments.join(", ")))
    })
}

/// `NAME.NAME…`, then perhaps `LIKE PATTERN`: each part of the name, and the pattern or NULL.
fn arguments(tokens: &[&Token<'_>], parts: usize) -> Option<Vec<String>> {
    let end = tokens
        .iter()
        .position(|token| token.is("like"))
        .unwrap_or(tokens.len());
    let (name, like) = tokens.split_at_checked(end)?;
    let mut arguments = Vec::new();
    for part in name
        .split(|token| token.is("."))
        .filter(|_| !name.is_empty())
    {
        let [part] = part else { return None };
        arguments.push(value(part));
    }
    if arguments.len() + 1 == parts {
        arguments.insert(0, "current_database()".to_owned());
    }
    arguments.push(match like {
        [] => "NULL".to_owned(),
        [_, pattern] => value(pattern),
        _ => return None,
    });
    (arguments.len() == parts + 1).then_some(arguments)
}

/// A name, literal or parameter as an expression.
fn value(token: &Token<'_>) -> String {
    let text = token.text.as_ref();
    if text.starts_with('$') {
        return format!("{text}::text");
    }
    if token.is_quoted() && text.starts_with('\'') {
        return text.to_owned();
    }
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .map(|text| text.replace("\"\"", "\""));
    let name = inner.unwrap_or_else(|| text.to_lowercase());
    format!("'{}'", name.replace('\\', r"\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::super::tokens::lex;
    use super::*;

    #[test]
    fn each_form_is_a_function() {
        for (show, want) in [
            ("show databases like 'd%'", Some("show_databases('d%')")),
            ("SHOW SCHEMAS FROM DATABASE Dev;", Some("show_schemas('dev', NULL)")),
            ("SHOW SCHEMAS FROM DATABASE \"o'b\\\" LIKE $2", Some("show_schemas('o''b\\\\', $2::text)")),
            ("show tables from schema public", Some("show_tables(current_database(), 'public', NULL)")),
            ("show tables from schema dev.public like 'x'", Some("show_tables('dev', 'public', 'x')")),
            ("show columns from table s.t", Some("show_columns(current_database(), 's', 't', NULL)")),
            (
                "SHOW CONSTRAINTS PRIMARY KEYS FROM TABLE $1.$2.$3;",
                Some("show_primary_keys($1::text, $2::text, $3::text, NULL)"),
            ),
            (
                "show constraints foreign keys exported from table a.b.c",
                Some("show_exported_keys('a', 'b', 'c', NULL)"),
            ),
            ("show columns from table t", None),
            ("show tables from schema a b", None),
            ("show search_path", None),
            ("select 1", None),
            ("", None),
        ] {
            let want = want.map(|call| format!("SELECT * FROM pg_redshift.{call}"));
            assert_eq!(query(&lex(show)), want, "{show}");
        }
    }
}
