//! What the README and the pages of docs/ say is so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use redshift_iam_proxy::config::{self, UnknownKeys};

const README: &str = include_str!("../../README.md");
const CONTRACT: &str = include_str!("../../docs/contract.md");
const DEVELOPMENT: &str = include_str!("../../docs/development.md");
const ERRORS: &str = include_str!("../../docs/errors.md");
const IAM: &str = include_str!("../../docs/iam.md");
const TOOLS: &str = include_str!("../../docs/tools.md");
const REFUSALS: &str = include_str!("../../src/wire/refusal.rs");

/// The README and each page of docs/: its path, relative to the repository, and its text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let all = pages.chain([root.join("README.md")]);
    all.map(|path| (path.strip_prefix(root).unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The fenced blocks of a language in a page, without their indentation.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() == format!("```{language}") {
            let block = lines.by_ref().take_while(|line| line.trim() != "```");
            blocks.push(
                block
                    .map(|line| format!("{}\n", line.trim_start()))
                    .collect(),
            );
        }
    }
    blocks
}

/// The rows of the first table under a heading of a page, without the head: cells trimmed.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = page
        .split_once(&format!("# {heading}\n"))
        .expect("the heading");
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        row.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.skip(2).map(cells).collect()
}

/// The texts in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What GitHub makes of a heading, for links to it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

/// The README is what a newcomer reads first: what is not for a first quarter of an hour belongs to
/// docs/.
#[test]
fn the_readme_has_at_most_ten_kilobytes() {
    assert!(README.len() <= 10_000, "{} bytes", README.len());
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for (path, page) in pages() {
        let links = page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root.join(&path) } else { root.join(&path).parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            let has = || {
                fs::read_to_string(&target)
                    .unwrap()
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading)
            };
            assert!(heading.is_empty() || has(), "{}: {link}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn every_configuration_shown_loads() {
    assert!(!blocks(README, "toml").is_empty());
    for (path, page) in pages() {
        for block in blocks(&page, "toml") {
            config::parse(&block, &path, &|_| None, UnknownKeys::Refuse).unwrap();
        }
    }
}

#[test]
fn every_policy_shown_is_json_with_a_version() {
    let blocks = blocks(IAM, "json");
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let policy: serde_json::Value = serde_json::from_str(&block).unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
    }
}

/// The SQLSTATE and the text of each refusal, as its constructor has them: `{…}` is a name.
fn refusals() -> Vec<(String, String)> {
    // The text up to the next quote that is not escaped.
    let literal = |code: &str| {
        let code = code.trim_start().strip_prefix('"').expect("a literal");
        let mut ends = code.match_indices('"').map(|(at, _)| at);
        let end = ends.find(|at| !code[..*at].ends_with('\\'));
        let (text, rest) = code.split_at(end.expect("its end"));
        (text.replace("\\\"", "\""), rest[1..].to_owned())
    };
    let source = REFUSALS.split("#[cfg(test)]").next().unwrap();
    let constructed = source.split("Self::new(").skip(1);
    let read = constructed.map(|code| {
        let (state, rest) = literal(code);
        let rest = rest.trim_start_matches(',').trim_start();
        (state, literal(rest.strip_prefix("format!(").unwrap_or(rest)).0)
    });
    read.collect()
}

/// Whether a cell quotes a text, with something in place of each name in it.
fn says(cell: &str, text: &str) -> bool {
    let fixed: Vec<_> = text
        .split('{')
        .map(|piece| piece.rsplit('}').next().unwrap())
        .collect();
    quoted(cell).any(|mut rest| {
        fixed.iter().all(|piece| match rest.split_once(piece) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        })
    })
}

#[test]
fn every_refusal_is_explained_and_every_explanation_is_of_a_refusal() {
    let explained = table(ERRORS, "What each SQLSTATE means");
    let promised = table(CONTRACT, "4. Towards the client");
    for row in explained.iter().chain(&promised) {
        assert!(REFUSALS.contains(&format!("\"{}\"", row[0])), "{}", row[0]);
    }
    for (state, text) in refusals() {
        let has = |table: &[Vec<String>]| {
            table
                .iter()
                .any(|row| row[0] == state && says(&row[1], &text))
        };
        assert!(has(&explained), "{state} {text:?} is not in docs/errors.md");
        assert!(has(&promised), "{state} {text:?} is not in section 4 of docs/contract.md");
    }
}

#[test]
fn the_commands_shown_exist() {
    let help = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for row in table(README, "Commands") {
        let command = quoted(&row[0]).next().unwrap().split(' ').next().unwrap();
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(command)),
            "{command}"
        );
    }
}

/// One for each tool that people asked for, and what they have a reader run is run, on the
/// configuration that the README starts with.
#[test]
fn each_tool_has_a_recipe_whose_commands_work() {
    let (_, section) = TOOLS.split_once("\n## Recipes\n").expect("the heading");
    let (section, _) = section.split_once("\n## ").unwrap_or((section, ""));
    let tools = [
        "psql",
        "DBeaver",
        "DataGrip",
        "pgAdmin",
        "Tableau",
        "Power BI",
        "Metabase",
        "Superset",
        "dbt",
        "SQLAlchemy",
        "Polars",
        "Airflow",
        "Spark",
        "Node.js",
        "JDBC",
        "ODBC",
    ];
    let recipes: Vec<_> = section
        .split("\n**")
        .skip(1)
        .map(|recipe| recipe.split_once("**: ").unwrap())
        .collect();
    assert_eq!(recipes.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(), tools);
    let config = blocks(README, "toml").remove(0);
    for (tool, recipe) in recipes {
        let commands: Vec<_> = recipe.split("redshift-iam-proxy ").skip(1).collect();
        assert!(!commands.is_empty(), "{tool}");
        for command in commands {
            let (command, _) = command.split_once(['`', ')']).unwrap();
            let mut binary = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
            let binary = binary
                .env_clear()
                .env("TEXT", &config)
                .args(["--config", "env:TEXT"]);
            let output = binary.args(command.split_whitespace()).output().unwrap();
            assert!(output.status.success(), "{tool}: {command}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn the_targets_of_make_exist() {
    let makefile = include_str!("../../Makefile");
    let named = [README, DEVELOPMENT].into_iter().flat_map(|page| {
        page.split("`make ")
            .skip(1)
            .chain(page.split("\n$ make ").skip(1))
    });
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let targets: Vec<_> = named
        .map(|rest| rest.split(|c| !is_part(c)).next().unwrap())
        .collect();
    assert!(targets.len() > 10, "{targets:?}");
    for target in targets {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
}

/// Every test that docs/credentials.md names is there.
#[test]
fn the_rows_of_the_credential_tables_are_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_to_string(root.join("docs/credentials.md")).unwrap();
    let named: Vec<_> = docs
        .split('`')
        .filter(|word| word.contains("::") && !word.contains(' '))
        .collect();
    assert!(named.len() >= 20, "{named:?}");
    for name in named {
        let (module, test) = name.split_once("::").unwrap();
        let code = fs::read_to_string(root.join(format!("tests/it/seeds/{module}.rs"))).unwrap();
        assert!(code.contains(&format!("fn {test}")), "{name} is no test");
    }
}
