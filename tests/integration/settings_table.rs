//! The table of settings in README.md is generated from the settings.
//!
//! After a setting has changed, `RATTLE_TEST_BLESS=1 cargo test settings_table` writes the table
//! again. `tests/emulator/test_template.py` compares template.yaml with it.

use rattle::settings::{SETTINGS, Setting};

use crate::support::project_file;

const START: &str = "<!-- settings: RATTLE_TEST_BLESS=1 cargo test settings_table -->\n";
const END: &str = "<!-- end of settings -->\n";

#[test]
fn the_readme_shows_the_settings_as_they_are() {
    let path = project_file("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("RATTLE_TEST_BLESS").is_some() {
        std::fs::write(path, format!("{before}{START}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(shown, table, "RATTLE_TEST_BLESS=1 writes the table again");
    }
}

/// Settings without a flag come last, as the text below the table says.
fn table() -> String {
    let (with_flag, without): (Vec<_>, Vec<_>) =
        SETTINGS.iter().partition(|setting| setting.value_name.is_some());
    let head = "| variable | parameter | default | allowed | meaning |\n|---|---|---|---|---|\n";
    head.to_owned() + &with_flag.into_iter().chain(without).map(row).collect::<String>()
}

fn row(setting: &Setting) -> String {
    let Setting { variable, default, domain, help, .. } = setting;
    let default = match *default {
        "" if setting.is_required() => "the stack's".to_owned(),
        "" => "none".to_owned(),
        default => format!("`{default}`"),
    };
    let parameter = setting.parameter().map_or("none".to_owned(), |name| format!("`{name}`"));
    let row = format!("| `{variable}` | {parameter} | {default} | {domain} | {help} |\n");
    assert_eq!(row.matches('|').count(), 6, "no cell may contain a column separator: {row}");
    row
}
