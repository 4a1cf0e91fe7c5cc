//! The house as it stands: packages from `cargo metadata`, source files from disk.
//!
//! This reads; `tests/house.rs` judges. The table of imports is read from ARCHITECTURE.md, so
//! that what is written there is what is checked.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;

pub use source::{Function, SourceFile};

/// Directories that hold no source of ours.
const SKIPPED: [&str; 3] = ["target", "node_modules", "scratch"];

/// Everything that is judged.
pub struct House {
    /// Where ARCHITECTURE.md is.
    pub root: PathBuf,
    /// By name.
    pub packages: BTreeMap<String, Package>,
    /// Every Rust file, by path from the root.
    pub files: Vec<SourceFile>,
    /// The text of ARCHITECTURE.md.
    pub architecture: String,
}

/// One package of the workspace.
pub struct Package {
    /// Its directory from the root.
    pub dir: PathBuf,
    /// What it depends on, for whatever purpose.
    pub dependencies: BTreeSet<String>,
    /// What it depends on to be built; not for tests.
    pub needed: BTreeSet<String>,
}

impl House {
    /// Reads the house that this file belongs to.
    ///
    /// # Errors
    /// If `cargo metadata` fails or a file cannot be read.
    pub fn read() -> Result<House> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let mut packages = BTreeMap::new();
        for package in &metadata.packages {
            let dir = package
                .manifest_path
                .parent()
                .context("a directory")?
                .as_std_path();
            let names = |all: bool| -> BTreeSet<String> {
                let wanted = |dependency: &&cargo_metadata::Dependency| {
                    all || dependency.kind == cargo_metadata::DependencyKind::Normal
                };
                let wanted = package.dependencies.iter().filter(wanted);
                wanted.map(|dependency| dependency.name.clone()).collect()
            };
            let dir = dir.strip_prefix(&root)?.to_path_buf();
            let found = Package {
                dir,
                dependencies: names(true),
                needed: names(false),
            };
            packages.insert(package.name.to_string(), found);
        }
        let mut files = Vec::new();
        collect(&root, &root, &mut files)?;
        let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md"))?;
        Ok(House {
            root,
            packages,
            files,
            architecture,
        })
    }

    /// Who may import whom, as ARCHITECTURE.md says; `None` for whoever may import anything.
    ///
    /// # Errors
    /// If the table is not there.
    pub fn imports(&self) -> Result<BTreeMap<String, Option<BTreeSet<String>>>> {
        let blocks = self.architecture.split("```");
        let table = blocks.skip(1).step_by(2).find(|block| block.contains("→"));
        let table = table.context("ARCHITECTURE.md has no block with arrows")?;
        let mut imports = BTreeMap::new();
        for line in table.lines().filter(|line| line.contains('→')) {
            let parts = line
                .split("  ")
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let parts: Vec<&str> = parts.collect();
            ensure!(
                parts.len().is_multiple_of(3),
                "`{line}` is not `name  →  names`, once or twice"
            );
            for entry in parts.chunks(3) {
                ensure!(entry[1] == "→", "`{line}`: an arrow is missing");
                let names = match entry[2] {
                    text if text.starts_with("anything") => None,
                    "nothing of ours" => Some(BTreeSet::new()),
                    text => Some(text.split(", ").map(str::to_owned).collect()),
                };
                imports.insert(entry[0].to_owned(), names);
            }
        }
        Ok(imports)
    }

    /// The map in ARCHITECTURE.md: folder and package of each row.
    pub fn map(&self) -> Vec<(String, String)> {
        let rows = self
            .architecture
            .lines()
            .filter(|line| line.starts_with("| `"));
        let cell = |cell: &str| cell.split('`').nth(1).map(str::to_owned);
        let row = |line: &str| {
            let mut cells = line.split('|').skip(1);
            Some((cell(cells.next()?)?, cell(cells.next()?)?))
        };
        rows.filter_map(row)
            .filter(|(folder, _)| self.root.join(folder).is_dir())
            .collect()
    }

    /// The paths that ARCHITECTURE.md names between backquotes.
    pub fn named_paths(&self) -> Vec<String> {
        let words = self.architecture.split('`').skip(1).step_by(2);
        let is_path = |word: &&str| {
            let top = word.split('/').next().unwrap_or_default();
            let inside = word.contains('/') && !top.is_empty() && self.root.join(top).is_dir();
            !word.contains(char::is_whitespace) && (word.ends_with(".rs") || inside)
        };
        words.filter(is_path).map(str::to_owned).collect()
    }

    /// Whether a path is there: from the root, or as the end of exactly one source file's path.
    pub fn has(&self, path: &str) -> bool {
        let ends = |file: &&SourceFile| file.path.ends_with(path);
        self.root.join(path).exists() || self.files.iter().filter(ends).count() == 1
    }
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        entries.push(entry?.path());
    }
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&&*name) {
                collect(root, &path, files)?;
            }
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path)?;
            files.push(SourceFile::new(
                path.strip_prefix(root)?.to_path_buf(),
                text,
            ));
        }
    }
    Ok(())
}
