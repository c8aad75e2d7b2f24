//! `mcp-gateway add`.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use mcp_gateway_config::document::NoEnvironment;
use mcp_gateway_config::edit::{add_server, is_blank};
use mcp_gateway_config::file::{Config, Diagnostics};
use mcp_gateway_config::library::{Entry, Prompt};

use super::table::show;
use super::values::assignment;
use crate::files::read_limited;
use crate::output::{eprint_text, print_line, print_text};

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Ready entry, such as memory
    #[arg(required_unless_present = "list")]
    entry: Option<String>,
    /// List the entries
    #[arg(long, conflicts_with_all = ["entry", "name", "set"])]
    list: bool,
    /// Configuration file to change; created if it does not exist
    #[arg(long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
    /// Name of the server, if it is not that of the entry
    #[arg(long)]
    name: Option<String>,
    /// Value that the entry asks for, such as folder=/srv/files; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Add the server even if the programs that it needs are not installed
    #[arg(long)]
    force: bool,
}

/// Adds an entry to the configuration file, or lists the entries.
///
/// # Errors
///
/// Fails if the entry does not exist, its programs are missing, or the file cannot be changed.
pub(super) fn run(args: &AddArgs) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.entry else {
        return list();
    };
    let entry = Entry::find(name).map_err(anyhow::Error::msg)?;
    if !args.force {
        check_programs(entry)?;
    }
    let name = args.name.as_ref().unwrap_or(&entry.name);
    let path = &args.config;
    let before = read(path)?;
    check_name(&before, name, path)?;
    let values = values(entry, &args.set)?;
    let server = entry.server(name, &values).map_err(anyhow::Error::msg)?;
    let after = add_server(&before, &server).with_context(|| path.display().to_string())?;
    let config = parse(&after, path)?;
    write(path, &after)?;
    report(entry, name, path, &config)?;
    Ok(ExitCode::SUCCESS)
}

/// Lists the entries.
fn list() -> anyhow::Result<ExitCode> {
    let heading = ["ENTRY", "PACKAGE", "NEEDS", "DESCRIPTION"].map(str::to_owned);
    let row = |entry: &Entry| {
        let (name, package) = (entry.name.clone(), entry.package.clone());
        [name, package, entry.needs.join(", "), entry.summary.clone()]
    };
    let rows: Vec<_> = [heading]
        .into_iter()
        .chain(Entry::all().iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Checks that the programs of `entry` are installed.
fn check_programs(entry: &Entry) -> anyhow::Result<()> {
    let missing = entry.needs.iter().filter(|program| !is_installed(program));
    let missing: Vec<_> = missing.map(|program| describe_missing(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "{} needs {}\nuse --force to add it anyway, for another machine",
        entry.name,
        missing.join("\nand ")
    )
}

/// Returns `true` if `PATH` has the program `name`.
fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        let found = fs::metadata(folder.join(name));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// Describes the installation of a missing program.
fn describe_missing(program: &str) -> String {
    let source = match program {
        "npx" => "install Node.js, https://nodejs.org",
        "uvx" => "install uv, https://docs.astral.sh/uv",
        _ => "install the package of your system",
    };
    format!("{program}, which is not in PATH: {source}")
}

/// Reads the configuration file; a missing one is empty.
///
/// # Errors
///
/// Fails for anything but a file, which is replaced later: a pipe would be waited for.
fn read(path: &Path) -> anyhow::Result<String> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        found => {
            let found = found.with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(found.is_file(), "{} is not a file", path.display());
        }
    }
    read_limited(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Parses the text of the file at `path`, without its secrets.
fn parse(text: &str, path: &Path) -> anyhow::Result<Config> {
    let failed = |found: Diagnostics| {
        let lines: Vec<_> = found.lines(&path.display().to_string()).collect();
        anyhow!(lines.join("\n"))
    };
    let (config, _) = Config::read_from(text, &NoEnvironment).map_err(failed)?;
    Ok(config)
}

/// Checks that the configuration `text` has no server `name`.
fn check_name(text: &str, name: &str, path: &Path) -> anyhow::Result<()> {
    if is_blank(text) {
        return Ok(());
    }
    match parse(text, path)?.platform.dynamic.server(name) {
        Some(_) => bail!(
            "{} already has a server {name:?}; choose another name with --name",
            path.display()
        ),
        None => Ok(()),
    }
}

/// Returns the values of the prompts of `entry`: those of `given`, and those that are typed.
fn values(entry: &Entry, given: &[(String, String)]) -> anyhow::Result<Vec<(String, String)>> {
    let mut values = given.to_vec();
    for prompt in &entry.prompts {
        let is_given = values.iter().any(|(name, _)| *name == prompt.name);
        if !is_given && io::stdin().is_terminal() {
            let answer = ask(prompt)?;
            if !answer.is_empty() {
                values.push((prompt.name.clone(), answer));
            }
        }
        let mut values = values.iter_mut();
        if let Some((_, value)) = values.find(|(name, _)| *name == prompt.name)
            && prompt.is_folder
            && prompt.default.as_ref() != Some(value)
        {
            *value = folder(value)?;
        }
    }
    Ok(values)
}

/// Asks for the value of `prompt`.
fn ask(prompt: &Prompt) -> io::Result<String> {
    let mut output = io::stderr().lock();
    write!(output, "{}: ", prompt.text)?;
    output.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Returns the absolute path of an existing folder.
fn folder(path: &str) -> anyhow::Result<String> {
    let found = fs::canonicalize(path).with_context(|| format!("no folder {path:?}"))?;
    if !found.is_dir() {
        bail!("{path:?} is not a folder");
    }
    let text = found.to_str().map(str::to_owned);
    text.with_context(|| format!("{path:?} is not valid UTF-8"))
}

/// Replaces the file at `path`, or what a symbolic link refers to, by one with `text`.
///
/// # Errors
///
/// Fails if `path` is something else than a file, or read-only.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        found => {
            found.with_context(|| format!("cannot write {}", path.display()))?;
            let real = fs::canonicalize(path);
            let real = real.with_context(|| format!("cannot write {}", path.display()))?;
            let there = fs::metadata(&real)?;
            let is_writable = there.is_file() && !there.permissions().readonly();
            ensure!(is_writable, "{} is not a writable file", path.display());
            real
        }
    };
    replace(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Replaces the file at `path` by a new one with `text` and the same permissions, atomically.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    // The permissions of a file without predecessor are those of the process.
    let permissions = match fs::metadata(path) {
        Ok(before) => before.permissions(),
        Err(_) => fs::Permissions::from_mode(0o666),
    };
    let mut new = tempfile::Builder::new()
        .permissions(permissions.clone())
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    if path.exists() {
        fs::set_permissions(new.path(), permissions)?;
    }
    new.persist(path)?;
    Ok(())
}

/// Prints what has been added, and the next steps.
fn report(entry: &Entry, name: &str, path: &Path, config: &Config) -> io::Result<()> {
    let file = quoted(&path.display().to_string());
    let path = path.display();
    print_line(format_args!("added {name} to {path}: {}", entry.package))?;
    print_text(format_args!("\n{}\n", wrapped(&entry.callers)))?;
    print_line(format_args!("try it    mcp-gateway tools --config {file}"))?;
    print_line(format_args!("serve it  mcp-gateway serve --config {file}"))?;
    let gateways = &config.platform.dynamic.gateways;
    let is_offered = |name: &str| {
        let mut gateways = gateways.iter();
        gateways.any(|gateway| gateway.servers.iter().any(|server| **server == *name))
    };
    if !is_offered(name) {
        eprint_text(format_args!(
            "\nNo gateway offers it: add {name} to `servers` of one in {path}."
        ));
    }
    Ok(())
}

/// Returns `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Breaks `text` into lines.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// Maximum length of a line.
const WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_words_of_a_shell() {
        for (text, expected) in [
            ("/srv/gateway.yaml", "/srv/gateway.yaml"),
            ("a b", "'a b'"),
            ("$(x)", "'$(x)'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn only_files_are_changed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("new.yaml")).unwrap(), "");
        for path in [folder.path(), Path::new("/dev/zero")] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.contains("is not a file"), "{error}");
        }
    }

    #[test]
    fn category_temporary_name_is_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (
            folder.path().join("gateway.yaml"),
            folder.path().join("victim"),
        );
        fs::write(&victim, "victim").unwrap();
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // The former name, in a folder where others may create files.
        let guessed = folder
            .path()
            .join(format!("gateway.yaml.{}", std::process::id()));
        symlink(&victim, &guessed).unwrap();
        write(&path, "after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "victim");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert!(fs::symlink_metadata(&guessed).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
