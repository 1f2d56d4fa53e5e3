//! Rows of results: a table for people, aligned columns for pipes.

use comfy_table::{ContentArrangement, Table, presets};

use crate::failure::Result;
use crate::output;

/// Prints rows under these headings.
pub(crate) fn print(headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let text = if output::stdout_is_terminal() { table(headings, rows) } else { columns(headings, rows) };
    output::line(text.trim_end())
}

fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(headings);
    for row in rows {
        table.add_row(row.iter().map(|cell| output::printable(cell)));
    }
    table.to_string()
}

fn columns(headings: &[&str], rows: &[Vec<String>]) -> String {
    let heading_row: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&heading_row).chain(rows).collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, &width)| format!("{:width$}", output::printable(cell))).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_have_no_trailing_space() {
        let rows = [vec!["a".to_owned(), "running".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(columns(&["NAME", "STATE"], &rows), "NAME    STATE\na       running\nlonger\n");
    }

    #[test]
    fn a_cell_cannot_forge_a_line() {
        let rows = [vec!["a\nb".to_owned()]];
        assert_eq!(columns(&["NAME"], &rows), "NAME\na\u{fffd}b\n");
    }
}
