//! Writing files so that nobody ever sees half of one.

use miette::{miette, Context, IntoDiagnostic, Result};
use std::io::Write;
use std::path::Path;

/// Reads a file, with an error that names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("can't read {}", path.display()))
}

/// Writes a file through a temporary one beside it, making its folder if needed.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let attempt = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        make_readable(file.as_file())?;
        file.persist(path)?;
        Ok(())
    };
    if path.is_dir() {
        return Err(miette!("can't write {}: it is a folder", path.display()));
    }
    attempt()
        .into_diagnostic()
        .wrap_err_with(|| format!("can't write {}", path.display()))
}

/// A temporary file is private to its owner; what the user asked for is not.
#[cfg(unix)]
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
