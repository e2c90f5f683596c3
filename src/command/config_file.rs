//! `trailwatch config`, and how every command finds `trailwatch.toml`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::run::reload::failed_tests;
use super::{Exit, complain, count, line, say};
use crate::config::{self, Configuration, Effective, Kept, Overlay, Run, Vault};
use crate::untrusted::Untrusted;

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Says everything that is wrong with a configuration and its rules, and tests these. Connects to nothing.
    Check(Check),
    /// Prints the values that count, without secrets.
    Show(Show),
}

impl Config {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Check(check) => Ok(check.run()),
            Self::Show(show) => Ok(show.run()?),
        }
    }
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// A configuration file, or a folder of them (`*.toml`); may be repeated, and a later one counts for more. If none is
    /// given, `trailwatch.toml` here, or else `/etc/trailwatch/trailwatch.toml`.
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// The folder of the state, in place of the configuration's.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

/// Where a configuration is looked for, the first that there is.
const PLACES: [&str; 2] = ["trailwatch.toml", "/etc/trailwatch/trailwatch.toml"];

impl ConfigArgs {
    /// The files, named or found.
    pub fn paths(&self) -> Result<Vec<PathBuf>, Vec<String>> {
        if !self.config.is_empty() {
            return Ok(self.config.clone());
        }
        match PLACES.iter().map(PathBuf::from).find(|path| path.is_file()) {
            Some(path) => Ok(vec![path]),
            None => {
                let places = PLACES.join(" nor ");
                Err(vec![format!("there is no configuration: neither {places} (name one with `--config`)")])
            }
        }
    }

    /// Whether a configuration was named.
    #[cfg(feature = "aws")]
    pub fn is_named(&self) -> bool {
        !self.config.is_empty()
    }

    /// Reads the configuration, and connects to nothing. `Err` says why it is not to be found.
    pub fn read(&self) -> Result<Configuration, Vec<String>> {
        self.read_with(Vault::default())
    }

    /// Reads the configuration with all its secrets, also those that services keep. `Err` says why they cannot be had. Takes
    /// time: call it where that may be.
    pub fn read_whole(&self) -> Result<Configuration, Vec<String>> {
        let configuration = self.read()?;
        match wanting(&configuration) {
            [] => Ok(configuration),
            kept => self.read_with(get_kept(kept)?),
        }
    }

    fn read_with(&self, vault: Vault) -> Result<Configuration, Vec<String>> {
        let variables = std::env::vars_os();
        let environment =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let state = self.state.as_ref().map(|state| ("state", "--state", state.display().to_string()));
        let overlay = Overlay { environment: environment.collect(), options: state.into_iter().collect() };
        let (configuration, unreadable) = config::configuration_with(&self.paths()?, overlay, vault);
        let unreadable: Vec<String> =
            unreadable.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect();
        if unreadable.is_empty() { Ok(configuration) } else { Err(unreadable) }
    }

    /// What a run is made of, and every value that counts; `None`, after saying why, if something is wrong. Secrets that
    /// services keep are not in it.
    pub fn load(&self) -> Option<(Run, Vec<Effective>)> {
        loaded(or_say(self.read())?)
    }

    /// The same, with all secrets; what is wrong has been said.
    pub fn load_whole(&self) -> Result<(Run, Vec<Effective>), Exit> {
        let configuration = or_say(self.read()).ok_or(Exit::BadRules)?;
        let kept = wanting(&configuration);
        if kept.is_empty() {
            return loaded(configuration).ok_or(Exit::BadRules);
        }
        // Who keeps them may be away, so another start may help.
        let vault = or_say(get_kept(kept)).ok_or(Exit::SourceFailed)?;
        or_say(self.read_with(vault)).and_then(loaded).ok_or(Exit::BadRules)
    }

    /// The folder of the state. A configuration is read only if it is needed to tell.
    pub fn state(&self) -> Option<PathBuf> {
        match &self.state {
            Some(state) if self.config.is_empty() => Some(state.clone()),
            _ => self.load().map(|(run, _)| run.state),
        }
    }
}

/// The secrets that are still to be got.
fn wanting(configuration: &Configuration) -> &[Kept] {
    configuration.run.as_ref().map_or(&[], |run| &run.kept)
}

/// Gets secrets from those who keep them.
#[cfg(feature = "aws")]
fn get_kept(kept: &[Kept]) -> Result<Vault, Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| vec![error.to_string()])?.block_on(super::secrets::get(kept))
}

#[cfg(not(feature = "aws"))]
fn get_kept(kept: &[Kept]) -> Result<Vault, Vec<String>> {
    let no_way = |kept: &Kept| format!("`{kept}`: this build cannot talk to AWS (build it with the feature `aws`)");
    Err(kept.iter().map(no_way).collect())
}

/// What was read; `None` after saying why it was not.
fn or_say<T>(read: Result<T, Vec<String>>) -> Option<T> {
    read.map_err(|errors| errors.iter().for_each(|error| say("error", error))).ok()
}

fn loaded(configuration: Configuration) -> Option<(Run, Vec<Effective>)> {
    tell_problems(&configuration);
    Some((configuration.run?, configuration.effective))
}

/// Says everything that is wrong with a configuration.
fn tell_problems(configuration: &Configuration) {
    for problem in &configuration.problems {
        line(&format!("{problem}\n"));
    }
    if !configuration.problems.is_empty() {
        say("error", &format!("{} in the configuration", count(configuration.problems.len(), "problem")));
    }
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Check {
    fn run(self) -> Exit {
        let Some((run, _)) = self.config.load() else { return Exit::Found };
        let loaded = config::rules_with(&run.rules, &run.shared);
        if !loaded.is_good() {
            complain(&loaded);
            return Exit::Found;
        }
        let failed = failed_tests(&loaded.rules);
        if !failed.is_empty() {
            failed.iter().for_each(|failed| say("error", failed));
            return Exit::Found;
        }
        let parts = [(run.sources.len(), "source"), (loaded.rules.len(), "rule"), (run.sinks.len(), "sink")];
        let parts = parts.map(|(number, noun)| count(number, noun));
        say("note", &format!("nothing is wrong: {}; state in {}", parts.join(", "), shown(&run.state)));
        Exit::Done
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// Says of each value where it comes from.
    #[arg(long)]
    origin: bool,
}

impl Show {
    fn run(self) -> io::Result<Exit> {
        let Some(configuration) = or_say(self.config.read()) else { return Ok(Exit::Found) };
        tell_problems(&configuration);
        let lines: Vec<(String, &str)> = configuration
            .effective
            .iter()
            .map(|effective| (format!("{} = {}", effective.key, effective.value), effective.origin.as_str()))
            .collect();
        let width = lines.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0).min(ORIGIN_COLUMN_MAX);
        for (text, origin) in &lines {
            let text = Untrusted(text);
            match self.origin {
                true => writeln!(anstream::stdout(), "{:<width$}  # {}", text.to_string(), Untrusted(origin))?,
                false => writeln!(anstream::stdout(), "{text}")?,
            }
        }
        Ok(if configuration.run.is_some() { Exit::Done } else { Exit::Found })
    }
}

/// Where the column of origins begins at the latest.
const ORIGIN_COLUMN_MAX: usize = 60;
