//! Names of the catalog's statements, by which tests choose those that fail.

use catalog::Statement;

/// A part of each statement's text, and the operation of the catalog that runs it. The first match counts.
const NAMES: [(&str, &str); 16] = [
    ("INSERT INTO images", "begin_upload"),
    ("SET upload = $1, name = $2", "begin_upload"),
    ("SET touched = {now} WHERE upload = $1", "touch_upload"),
    ("SET state = 'accepted', client = NULL", "finish_upload"),
    ("SET state = 'abandoned' WHERE state = 'receiving'", "abandon"),
    ("WHERE id IN (SELECT id FROM images WHERE state = 'accepted'", "images"),
    ("WHERE id = $1 AND state = 'failed'", "retry"),
    ("SET state = 'deleting', trashed = NULL", "delete_image"),
    ("UPDATE epoch SET n = CASE", "take_epoch"),
    ("UPDATE epoch SET n = n WHERE one = 0", "ping"),
    ("SELECT one FROM epoch WHERE candidacy = $1", "still_mine"),
    ("SET state = 'running', run = $3", "activate"),
    ("UPDATE jobs SET run = $4, runs = runs + 1", "rerun"),
    ("SET state = 'done', finished = {now}", "publish"),
    ("SET state = 'failed', finished = {now}", "fail"),
    ("DELETE FROM images WHERE id = $2", "forget"),
];

/// Returns the operation that runs a statement; "query" or "statement" for one that no test chooses.
pub fn name(statement: &Statement) -> &'static str {
    let fenced = statement.sql.starts_with(FENCED);
    let mut named = NAMES.iter().filter(|(_, name)| !fenced || *name != "still_mine");
    let other = if statement.sql.trim_start().starts_with("SELECT") { "query" } else { "statement" };
    named.find(|(part, _)| statement.sql.contains(part)).map_or(other, |(_, name)| name)
}

/// How a write begins that is fenced by the master's epoch; its first parameter is the candidacy.
pub const FENCED: &str = "WITH mine AS (SELECT one FROM epoch WHERE candidacy = $1";
