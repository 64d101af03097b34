//! Schema migrations, embedded in the binary: one SQL file for each database and version.
//!
//! A list instead of `sqlx::migrate!`, because that macro compiles both database drivers, SQLite and the TLS library a second time,
//! for the machine that builds.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// A migration: version, description, and its SQL.
type Source = (i64, &'static str, &'static str);

/// Declares the migrations of both databases, each in its folder.
macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        const POSTGRES: &[Source] =
            &[$(($version, $name, include_str!(concat!("../migrations/postgres/", $name, ".sql")))),*];
        const SQLITE: &[Source] =
            &[$(($version, $name, include_str!(concat!("../migrations/sqlite/", $name, ".sql")))),*];
    };
}

migrations![
    1 "0001_images_and_jobs",
    2 "0002_installation",
    3 "0003_gallery",
    4 "0004_resumable",
    5 "0005_derived",
    6 "0006_ended",
    7 "0007_lost_runs",
    16 "0016_unsent",
];

/// Returns the migrations of PostgreSQL.
pub(super) fn postgres() -> Migrator {
    migrator(POSTGRES)
}

/// Returns the migrations of SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(SQLITE)
}

fn migrator(sources: &[Source]) -> Migrator {
    let migration = |&(version, name, sql): &Source| {
        // As `sqlx::migrate!` describes `0001_images_and_jobs.sql`.
        let description = name.split_once('_').map_or(name, |(_, words)| words).replace('_', " ");
        Migration::new(version, Cow::Owned(description), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(sources.iter().map(migration).collect());
    // A newer release, which runs beside this one during a rolling upgrade, may have applied more.
    migrator.set_ignore_missing(true);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that isn't listed would never be applied.
    #[test]
    fn every_file_is_listed() {
        for (database, sources) in [("postgres", POSTGRES), ("sqlite", SQLITE)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
            let mut files: Vec<String> = files.collect();
            files.sort();
            let listed: Vec<String> = sources.iter().map(|(_, name, _)| format!("{name}.sql")).collect();
            assert_eq!(listed, files, "{database}");
            for (version, name, _) in sources {
                assert!(name.starts_with(&format!("{version:04}_")), "{name} isn't version {version}");
            }
        }
    }

    /// Databases of earlier releases hold these: a migration that was applied must never change.
    #[test]
    fn applied_migrations_never_change() {
        let all = |migrator: Migrator| migrator.iter().map(summary).collect::<Vec<_>>().join("\n");
        let applied = format!("postgres\n{}\nsqlite\n{}\n", all(postgres()), all(sqlite()));
        assert_eq!(applied, include_str!("../migrations/applied.txt"));
    }

    fn summary(migration: &Migration) -> String {
        let checksum: String = migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {}: {checksum}", migration.version, migration.description)
    }
}
